/** The rules of a retention policy as a person reads and types them. */
import type { RetentionPolicy } from '../../engine/protocol/retention.ts';

export type CountRule = 'keepLast' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'minimum';

/** The policy with a count replaced; without it when undefined. */
export function withCount(policy: RetentionPolicy, rule: CountRule, count: number | undefined): RetentionPolicy {
  const { [rule]: _, ...rest } = policy;
  return count === undefined ? rest : { ...rest, [rule]: count };
}

/** Empty text is no count. @returns `invalid` for what is no whole number from 1 to 100 000 */
export function parseCount(text: string): number | undefined | 'invalid' {
  const trimmed = text.trim();
  if (trimmed === '') {
    return undefined;
  }
  const count = /^\d{1,6}$/.test(trimmed) ? Number(trimmed) : 0;
  return count >= 1 && count <= 100_000 ? count : 'invalid';
}

/** Empty text is no limit; `20 G`, `20 GiB` and `500M` are sizes in bytes. */
export function parseSize(text: string): number | undefined | 'invalid' {
  const trimmed = text.trim();
  if (trimmed === '') {
    return undefined;
  }
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt])(?:i?b)?$/i.exec(trimmed) ?? [];
  const bytes = Math.round(Number(number) * 1024 ** ('kmgt'.indexOf(unit.toLowerCase()) + 1));
  return number !== '' && bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : 'invalid';
}
