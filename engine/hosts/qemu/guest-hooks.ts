import type { GuestAgent } from './guest-agent.ts';
import { runInGuest } from './guest-programs.ts';

const limitMs = 5000;
const mostPrograms = 100;

/** Programs in a Linux guest that its agent has get ready before it freezes the file systems (qemu-ga(8), `--fsfreeze-hook`). */
export interface FreezeHooks {
  programs: string[];
  /** Where the hook that comes with the agent puts what became of each, and how long that was before. */
  log?: { file: string; sizeBytes: number };
}

/** Tells in one line, parts with a bar between them: a hook that is one program itself has no folder of others. */
const look = `
for pid in $(pidof qemu-ga); do
  hook=
  for word in $(tr '\\0' ' ' </proc/$pid/cmdline); do
    case $word in
      -F | --fsfreeze-hook) hook=/etc/qemu/fsfreeze-hook ;;
      -F*) hook=\${word#-F} ;;
      --fsfreeze-hook=*) hook=\${word#*=} ;;
    esac
  done
  [ -n "$hook" ] && [ -x "$hook" ] || continue
  if grep -q 'fsfreeze-hook\\.d' "$hook"; then
    for program in "$(dirname "$hook")"/fsfreeze-hook.d/*; do
      [ -x "$program" ] && printf 'program %s|' "$program"
    done
  else
    printf 'program %s|' "$hook"
  fi
  log=$(sed -n 's/^LOGFILE=//p' "$hook")
  [ -n "$log" ] && printf 'log %s %s|' "$( (wc -c <"$log") 2>/dev/null || echo 0)" "$log"
done
true
`;

/** @returns undefined when none are to be asked, or the agent may not run programs, so that nobody can tell */
export async function freezeHooks(agent: GuestAgent): Promise<FreezeHooks | undefined> {
  const said = await runInGuest(agent, '/bin/sh', ['-c', look], limitMs).catch(() => '');
  const parts = said.split('|').map((part) => part.trim());
  const programs = parts.flatMap((part) => /^program (.+)$/.exec(part)?.[1] ?? []).slice(0, mostPrograms);
  const [, size = '0', file] =
    parts.map((part) => /^log (\d{1,15}) (.+)$/.exec(part)).find((one) => one !== null) ?? [];
  return programs.length === 0
    ? undefined
    : { programs, ...(file === undefined ? {} : { log: { file, sizeBytes: Number(size) } }) };
}

/** Those that failed to get ready since, by the log of the hook that comes with the agent; other hooks fail the freeze itself. */
export async function failedHooks(agent: GuestAgent, { log }: FreezeHooks): Promise<string[]> {
  if (log === undefined) {
    return [];
  }
  const since = 'tail -c "+$2" "$1" | tr "\\n" "|"';
  const args = ['-c', since, 'sh', log.file, String(log.sizeBytes + 1)];
  const said = await runInGuest(agent, '/bin/sh', args, limitMs);
  return failedIn(said.split('|')).slice(0, mostPrograms);
}

/** @param lines of the log, from before the freeze to after the thaw */
export function failedIn(lines: readonly string[]): string[] {
  const failed: string[] = [];
  let isFreeze = false;
  for (const line of lines) {
    const [, called] = /: execute .+ (freeze|thaw)\s*$/.exec(line) ?? [];
    const [, program, status] = /: (\/.+) finished with status=(\d+)\s*$/.exec(line) ?? [];
    isFreeze = called === undefined ? isFreeze : called === 'freeze';
    if (isFreeze && program !== undefined && status !== '0') {
      failed.push(program);
    }
  }
  return failed;
}
