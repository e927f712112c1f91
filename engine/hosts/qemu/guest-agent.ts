import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const answer = z.object({ return: z.unknown() });
const longestAnswerBytes = 1024 * 1024;

/**
 * Asks the guest's agent to power the guest down (QEMU guest agent protocol, `guest-shutdown`).
 * @returns false when no agent answers within the limit
 */
export async function shutDownByAgent(socketPath: string, limitMs: number): Promise<boolean> {
  const socket = net.connect(socketPath);
  socket.on('error', () => undefined);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(limitMs) });
    // The byte 0xFF makes the agent drop whatever an earlier client left unfinished; then it repeats our number.
    const token = Math.floor(Math.random() * 2 ** 31);
    socket.write(
      Buffer.concat([
        Buffer.of(0xff),
        Buffer.from(`${JSON.stringify({ execute: 'guest-sync', arguments: { id: token } })}\n`),
      ]),
    );
    if (!(await answers(socket, token, limitMs))) {
      return false;
    }
    // This command has no answer when it succeeds.
    socket.write(`${JSON.stringify({ execute: 'guest-shutdown', arguments: { mode: 'powerdown' } })}\n`);
    await delay(200);
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function answers(socket: net.Socket, token: number, limitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    let received = '';
    const limit = setTimeout(() => resolve(false), limitMs);
    const finish = (value: boolean): void => {
      clearTimeout(limit);
      resolve(value);
    };
    socket.on('close', () => finish(false));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if (received.length > longestAnswerBytes) {
        finish(false);
        return;
      }
      const lines = received.split('\n');
      received = lines.pop() ?? '';
      if (lines.some((line) => isAnswer(line, token))) {
        finish(true);
      }
    });
  });
}

/** Lines that are no JSON are what an interrupted earlier answer left, and are passed over. */
function isAnswer(line: string, token: number): boolean {
  try {
    const parsed = answer.safeParse(JSON.parse(line.replaceAll('\u00ff', '')));
    return parsed.success && parsed.data.return === token;
  } catch {
    return false;
  }
}
