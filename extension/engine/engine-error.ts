import type { ErrorCode, WireError } from '../../engine/protocol/errors.ts';
import { checkpointErrorRpcCode, errorCodes } from '../../engine/protocol/errors.ts';
import { withoutShellWords } from '../presentation/shell-words.ts';

/**
 * Why a request was not answered with a result: one of the engine's codes, or one of two that only its client can know.
 * `EngineNotRunning`: it was not there to ask. `EngineEnded`: it ended before it answered, and that was reported by itself.
 */
export type EngineErrorCode = ErrorCode | 'EngineNotRunning' | 'EngineEnded';

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  /** Facts behind the sentence, by code. */
  readonly data: Readonly<Record<string, unknown>>;
  /** As the engine itself said it, in English: for the log. */
  readonly said: string;

  /** @param message a sentence for the user: what happened and what to do */
  constructor(
    code: EngineErrorCode,
    message: string,
    data: Record<string, unknown> = {},
    { said = message, ...options }: ErrorOptions & { said?: string } = {},
  ) {
    super(message, options);
    this.code = code;
    this.data = data;
    this.said = said;
  }
}

/** LSP 3.17, section "RequestCancelled": how a request ends when its client cancelled it. */
const requestCancelled = -32800;
/** Codes of the JSON-RPC library for requests that were under way, or begun, when the connection went away. */
const connectionLost = [-32097, -32096, -32099];

/**
 * Turns what a request was rejected with into an {@link EngineError}.
 * @param inWords puts an error of the engine into words for the user; by default its own, which are English
 */
export function engineErrorFrom(
  rejection: unknown,
  inWords: (error: WireError) => string = ({ message }) => withoutShellWords(message),
): EngineError {
  if (rejection instanceof EngineError) {
    return rejection;
  }
  const cause = { cause: rejection };
  const message = rejection instanceof Error ? rejection.message : String(rejection);
  const { code, data } = rpcErrorOf(rejection);
  if (code === checkpointErrorRpcCode && isWireError(data)) {
    return new EngineError(data.code, inWords(data), data.data, { ...cause, said: data.message });
  }
  if (code === requestCancelled) {
    return new EngineError('Cancelled', message, {}, cause);
  }
  if (code !== undefined && connectionLost.includes(code)) {
    return new EngineError('EngineEnded', message, {}, cause);
  }
  return new EngineError('Internal', message, {}, cause);
}

function rpcErrorOf(rejection: unknown): { code?: number; data?: unknown } {
  if (
    typeof rejection !== 'object' ||
    rejection === null ||
    !('code' in rejection) ||
    typeof rejection.code !== 'number'
  ) {
    return {};
  }
  return { code: rejection.code, ...('data' in rejection ? { data: rejection.data } : {}) };
}

export function isWireError(value: unknown): value is WireError {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    errorCodes.some((code) => code === value.code) &&
    'message' in value &&
    typeof value.message === 'string' &&
    'data' in value &&
    typeof value.data === 'object' &&
    value.data !== null
  );
}
