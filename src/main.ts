import { runCommandLine } from './cli/command-line.ts';

// The process: everything begins and ends here. Modules are loaded by the command that needs them, so that `--help` answers at once.
const exitCode = await runCommandLine(process.argv.slice(2));
// A pipe may still hold what was printed; and no handle that a library forgot keeps the process alive.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
