import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { documentText, writeErr, writeOut } from '../ui/door.js';
import { finishTelling } from './after-telling.js';
import { wantsEvents, wantsJson } from './argv.js';
import { describeFailure, failureDocument, failureLines } from './failure.js';
import { storedHelp } from './stored-help.js';
import { ignoreClosedPipes } from './streams.js';

/** The program. Loads oclif only when something has to be parsed: `--version` must cost no more than node itself. */
export async function run(entryUrl: string): Promise<void> {
  ignoreClosedPipes();
  const argv = process.argv.slice(2);
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-v')) {
    writeOut(`${versionLine(packageRoot(entryUrl))}\n`);
    return;
  }
  const help = storedHelp(argv, packageRoot(entryUrl), () => versionLine(packageRoot(entryUrl)));
  if (help !== null) {
    writeOut(help);
    return;
  }
  // Node's own clean-up after the last event can spin for ever (nodejs/node#47748; Node 20 under load): an exit goes without.
  process.once('beforeExit', () => process.exit());
  // Thrown where nobody waits for it: Node would print it as it is, words of a machine and all.
  process.on('uncaughtException', (error) => {
    reportFailure(error, argv, packageRoot(entryUrl));
    process.exit();
  });
  try {
    const { runCommand } = await import('./run-command.js');
    await runCommand(argv, packageRoot(entryUrl));
  } catch (error) {
    reportFailure(error, argv, packageRoot(entryUrl));
  }
  await finishTelling();
}

function reportFailure(error: unknown, argv: string[], root: string): void {
  const command = argv.find((word) => !word.startsWith('-')) ?? null;
  const failure = describeFailure(error, { command: commandWords(argv, root) ?? command });
  process.exitCode = failure.exit;
  if (wantsJson(argv, process.env)) {
    const document = failureDocument(failure);
    const text = wantsEvents(argv)
      ? documentText({ event: 'failed', time: new Date().toISOString(), ...document })
      : documentText(document, 2);
    writeOut(`${text}\n`);
    if (failure.stack !== null) writeErr(`${failure.stack}\n`);
    return;
  }
  writeErr(`${failureLines(failure).join('\n')}\n`);
}

/** "context use" for `forgectl context use x`: the longest start of the line that is a command. */
function commandWords(argv: string[], root: string): string | null {
  const words = argv
    .slice(0, argv.includes('--') ? argv.indexOf('--') : undefined)
    .filter((word) => !word.startsWith('-'));
  const { commands } = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8')) as { commands: object };
  const length = [3, 2, 1].find((count) => Object.hasOwn(commands, words.slice(0, count).join(':')));
  return length === undefined ? null : words.slice(0, length).join(' ');
}

function packageRoot(entryUrl: string): string {
  return join(dirname(fileURLToPath(entryUrl)), '..');
}

function versionLine(root: string): string {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, string>;
  return `${name}/${version} ${process.platform}-${process.arch} node-${process.version}`;
}
