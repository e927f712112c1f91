import { uniqueIdText, type Footer } from './footer.ts';

/** What tells a disk from every other, for its children: its unique id alone. */
export function vhdIdentity({ values }: Footer): Record<string, string> {
  return { unique_id: uniqueIdText(values.uniqueId) };
}
