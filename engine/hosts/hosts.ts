import type { HostId } from '../protocol/machines.ts';
import type { Host } from './host.ts';

/** Every host that there is, by its id. */
export type Hosts = Readonly<Record<HostId, Host>>;
