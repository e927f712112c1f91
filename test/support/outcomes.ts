import type { TestEvent } from 'node:test/reporters';

/** How a test ended; `why` it failed or was skipped. */
export interface Outcome {
  readonly kind: 'passed' | 'failed' | 'skipped';
  /** With the names of the suites that it stands in. */
  readonly title: string;
  readonly why?: string;
}

/** What comes of a run of node:test; what the tests print is passed on. */
export async function* outcomesOf(events: AsyncIterable<TestEvent>): AsyncGenerator<Outcome> {
  const stack: string[] = [];
  for await (const event of events) {
    switch (event.type) {
      case 'test:start':
        stack.length = event.data.nesting;
        stack.push(event.data.name);
        break;
      case 'test:pass':
        if (event.data.details.type !== 'suite') {
          const { skip, name, nesting } = event.data;
          const title = [...stack.slice(0, nesting), name].join(' › ');
          yield skip === undefined
            ? { kind: 'passed', title }
            : { kind: 'skipped', title, why: typeof skip === 'string' ? skip : 'no reason given' };
        }
        break;
      case 'test:fail': {
        const { details, name, nesting, file } = event.data;
        // A suite fails with what is in it; only its hooks fail on their own.
        if (details.type !== 'suite' || /hook/i.test(details.error.message)) {
          const cause: unknown = details.error.cause;
          const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
          const title = [...stack.slice(0, nesting), name].join(' › ');
          yield { kind: 'failed', title, why: `${file ?? ''}\n${reason}` };
        }
        break;
      }
      case 'test:stderr':
      case 'test:stdout':
        process.stdout.write(event.data.message);
        break;
      case 'test:diagnostic':
        if (event.data.nesting > 0) {
          console.log(`  # ${event.data.message}`);
        }
        break;
      default:
    }
  }
}
