import { homedir } from 'node:os';
import path from 'node:path';
import { HomeVolume } from './home-volume.ts';

/** The folder that holds all machines that we own, the image library, and what was found out about this computer. */
export class Home {
  readonly root: string;
  readonly volume: HomeVolume;

  constructor(root: string) {
    this.root = path.resolve(root);
    this.volume = new HomeVolume(this.root, this.machines);
  }

  /** One folder a machine, named as the machine. */
  get machines(): string {
    return path.join(this.root, 'machines');
  }

  /** One folder a catalogue entry. */
  get images(): string {
    return path.join(this.root, 'images');
  }

  /** One folder a job: work that outlives the engine that began it. */
  get jobs(): string {
    return path.join(this.root, 'jobs');
  }

  /** One record for each change of several machines that is under way. */
  get groups(): string {
    return path.join(this.root, 'groups');
  }

  get logs(): string {
    return path.join(this.root, 'logs');
  }

  /** What can be found out again; each file says itself what it is good for. */
  get cache(): string {
    return path.join(this.root, 'cache');
  }

  /** What each QEMU said of itself. */
  get qemuAnswers(): string {
    return path.join(this.cache, 'qemu.json');
  }

  /** Results of probes; losing it costs a moment, nothing more. */
  get probes(): string {
    return path.join(this.root, 'probes.json');
  }
}

/**
 * Where the home is: `VM_CHECKPOINTS_HOME`, else the place where the operating system keeps an application's data
 * (XDG Base Directory Specification; Known Folder LocalAppData; Library/Application Support).
 */
export function defaultHome(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): Home {
  const chosen = environment['VM_CHECKPOINTS_HOME'];
  if (chosen !== undefined && chosen !== '') {
    return new Home(chosen);
  }
  switch (platform) {
    case 'win32':
      return new Home(
        path.join(environment['LOCALAPPDATA'] ?? path.join(homedir(), 'AppData', 'Local'), 'vm-checkpoints'),
      );
    case 'darwin':
      return new Home(path.join(homedir(), 'Library', 'Application Support', 'vm-checkpoints'));
    default:
      return new Home(
        path.join(environment['XDG_DATA_HOME'] ?? path.join(homedir(), '.local', 'share'), 'vm-checkpoints'),
      );
  }
}
