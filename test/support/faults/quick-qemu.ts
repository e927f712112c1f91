import { QemuHost } from '../../../engine/hosts/qemu/qemu-host.ts';
import { wrapProperty } from './property-wrap.ts';

/**
 * From now on every engine of this process takes the first one's word for where QEMU is: asking takes longer than a whole
 * operation on a stopped machine.
 */
export function findQemuOnce(): void {
  let found: unknown;
  wrapProperty(
    QemuHost.prototype,
    'installation',
    (original) =>
      function () {
        found ??= Reflect.apply(original, this, []);
        return found;
      },
  );
}
