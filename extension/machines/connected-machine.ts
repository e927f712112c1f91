/** Whether a window is connected to one of the machines: putting that one back, or turning it off, cuts the window off. */

/** The remotes of VS Code that lead to another computer over the network, by `vscode.env.remoteName`. */
const networkRemotes: readonly string[] = ['ssh-remote', 'tunnel'];

/** What VS Code tells of a window. */
export interface WindowConnection {
  /** Absent for a window that is connected to nothing. */
  remoteName: string | undefined;
  /** Authorities of its folders, such as `ssh-remote+me@web.example:2222`. */
  authorities: readonly string[];
}

/**
 * By name: what addresses a machine has its host does not tell, and an alias in the SSH configuration is usually called
 * like the machine.
 */
export function isConnectedTo(machine: string, { remoteName, authorities }: WindowConnection): boolean {
  if (remoteName === undefined || !networkRemotes.includes(remoteName)) {
    return false;
  }
  const wanted = machine.toLowerCase();
  return authorities.some((authority) => {
    const host = hostOf(authority)?.toLowerCase();
    return host === wanted || host?.split('.')[0] === wanted;
  });
}

/** The host in an authority: plain, with user and port, or in the form that Remote-SSH gives to names it cannot write plainly. */
export function hostOf(authority: string): string | undefined {
  const target = /^[^+]+\+(.+)$/.exec(authority)?.[1];
  const decoded = target === undefined ? undefined : (hexDecoded(target) ?? decodeURIComponentSafely(target));
  return decoded === undefined ? undefined : (/^(?:[^@]*@)?(\[[^\]]*\]|[^:]+)/.exec(decoded)?.[1] ?? undefined);
}

/** JSON in hexadecimal digits, with the member `hostName`. */
function hexDecoded(target: string): string | undefined {
  if (!/^(?:[0-9a-f]{2})+$/i.test(target)) {
    return undefined;
  }
  try {
    const json: unknown = JSON.parse(Buffer.from(target, 'hex').toString());
    return typeof json === 'object' && json !== null && 'hostName' in json && typeof json.hostName === 'string'
      ? json.hostName
      : undefined;
  } catch {
    return undefined;
  }
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
