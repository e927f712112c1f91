import { CheckpointError } from '../../model/checkpoint-error.ts';
import { say, sayError } from '../../model/sayings.ts';
import type { ResumeStep } from '../../protocol/resume-steps.ts';
import type { GuestAgent } from './guest-agent.ts';
import { runInGuest } from './guest-programs.ts';
import { resumeStep } from './resume-step.ts';

const renewLimitMs = 20_000;

/** Asks whichever DHCP client runs in a Linux guest to renew its leases. */
const linuxScript = `
if pidof systemd-networkd >/dev/null; then
  for link in /sys/class/net/*; do
    [ "\${link##*/}" = lo ] || networkctl renew "\${link##*/}" || exit 1
  done
elif pidof NetworkManager >/dev/null; then
  nmcli networking off && nmcli networking on
elif pidof dhcpcd >/dev/null; then
  dhcpcd --rebind
elif pidof dhclient >/dev/null; then
  dhclient -r && dhclient
elif pidof udhcpc >/dev/null; then
  kill -USR1 $(pidof udhcpc)
else
  echo "no DHCP client that is known here runs" >&2
  exit 1
fi`;

/** Has the guest ask for its addresses again. */
export async function renewGuestNetwork(agent: GuestAgent, isWindows: boolean): Promise<ResumeStep> {
  try {
    await (isWindows
      ? runInGuest(agent, 'ipconfig', ['/renew'], renewLimitMs)
      : runInGuest(agent, '/bin/sh', ['-c', linuxScript], renewLimitMs));
    return resumeStep('network', 'done', say('networkRenewed'));
  } catch (error) {
    const reason =
      error instanceof CheckpointError ? sayError(error) : error instanceof Error ? error.message : String(error);
    return resumeStep('network', 'failed', say('networkNotRenewed', { reason }));
  }
}
