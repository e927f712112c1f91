import { runProgram } from './cli/program.ts';

void runProgram(process.argv.slice(2)).then((code) => {
  if (code !== undefined) {
    process.exitCode = code;
  }
});
