import { memoryScenes } from './memory-scenes.ts';
import { mergeScene } from './merge-scene.ts';
import { productionScene } from './production-scene.ts';
import type { Scene } from './scene.ts';
import { startScene } from './start-scene.ts';

/** The table of speeds of running machines. */
export const scenes: readonly Scene[] = [...memoryScenes, productionScene, mergeScene, startScene];
