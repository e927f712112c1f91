import { spawnSync } from 'node:child_process';

/** A peer that is not installed is not measured; its row says so and keeps our figure. */
export const hasQemuImg = spawnSync('qemu-img', ['--version'], { timeout: 10_000 }).status === 0;
