// Says which jobs a home has, and how creating one there fails, as one JSON object.
// Usage: create-job.ts HOME
import { toWireError } from '../../../../engine/model/checkpoint-error.ts';
import { Home } from '../../../../engine/store/home.ts';
import { Jobs } from '../../../../engine/store/jobs.ts';

async function main(home: string): Promise<object> {
  const jobs = new Jobs(new Home(home));
  const seen = (await jobs.list()).jobs.map(({ id, state }) => `${id} ${state}`);
  try {
    await jobs.create({ operation: 'diskConvert', params: {}, workingFolder: '/' }, 'a test');
    return { seen };
  } catch (error) {
    return { seen, error: toWireError(error) };
  }
}

void main(process.argv[2] ?? '').then((outcome) => process.stdout.write(JSON.stringify(outcome)));
