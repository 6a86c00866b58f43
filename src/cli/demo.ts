import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeErr, writeOut } from '../ui/door.js';
import { readSandboxFile } from './sandbox-file.js';
import { shellWord } from './typed-command.js';

/**
 * `npm run demo`: the main job in a sandbox of its own, as a user would type it. Nothing is left behind, unless it fails:
 * then it says what to look at. A program beside the command line, not a part of it.
 */
const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const LABEL = 'my-forge';
/** Twenty sandbox seconds pass in one of ours: a start of a minute and a half is over in five seconds. */
const TIME_SCALE = '20';
/** Whatever happens it ends within a minute: the steps (`--limit SECONDS`), then what is still running, then the sandbox. */
const STEPS_LIMIT_MS = limitSeconds() * 1000;
/** A `sandbox start` waits as long for what it has begun. */
const STEP_GRACE_MS = 6_000;
const CLEAN_UP_LIMIT_MS = 2_000;
/** Of each log that is shown of a demo that failed. */
const SHOWN_LINES = 8;

const home = makeHome();
const sandboxDir = join(home, 'sandbox');
/** What the user has set for forgectl is for their own work; a shared image of machines only saves time. */
const others = Object.entries(process.env).filter(
  ([name]) => !name.startsWith('FORGECTL_') || name === 'FORGECTL_SANDBOX_IMAGES',
);
const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(others),
  FORGECTL_CONFIG_DIR: join(home, 'config'),
  FORGECTL_STATE_DIR: join(home, 'state'),
  FORGECTL_SANDBOX_DIR: sandboxDir,
  FORGECTL_SANDBOX: '1',
};
// The demo's machine gets a key of its own; what the user's agent holds is not asked for.
delete env['SSH_AUTH_SOCK'];

/** Aborted by Ctrl-C, a request to end, or the limit; the reason is what the demo says of it. */
const end = new AbortController();

/** Ended by `stop`, it gets the grace of a Ctrl-C to destroy what it has rented. */
async function forgectl(words: string[], { show, stop }: { show: boolean; stop: AbortSignal }): Promise<number> {
  if (show) writeOut(`\n$ forgectl ${words.map(shellWord).join(' ')}\n`);
  const output = show ? 'inherit' : 'ignore';
  const child = spawn(process.execPath, ['--', RUN, ...words], {
    env,
    // In a group of its own: Ctrl-C reaches it through the demo alone. A second one would end it without its clean-up.
    detached: true,
    stdio: ['ignore', output, output],
  });
  const onStop = (): void => {
    readLogs();
    endChild(child);
  };
  stop.addEventListener('abort', onStop, { once: true });
  if (stop.aborted) onStop();
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 1)));
  stop.removeEventListener('abort', onStop);
  return code;
}

function endChild(child: ChildProcess): void {
  child.kill('SIGINT');
  const killer = setTimeout(() => child.kill('SIGKILL'), STEP_GRACE_MS);
  child.once('exit', () => clearTimeout(killer));
}

/** What a browser would get at the published address with the instance's token. */
async function showForgePage(): Promise<void> {
  const { url, api_key: key } = JSON.parse(readFileSync(join(sandboxDir, 'sandbox.json'), 'utf8')) as {
    url: string;
    api_key: string;
  };
  const { signal } = end;
  const answer = await fetch(`${url}/api/v1/instances/`, { headers: { authorization: `Bearer ${key}` }, signal });
  const { instances } = (await answer.json()) as {
    instances: { jupyter_token: string; ports: Record<string, { HostPort: string }[]> }[];
  };
  const row = instances[0];
  const address = `http://127.0.0.1:${row?.ports['7860/tcp']?.[0]?.HostPort}/`;
  const page = await fetch(address, { headers: { authorization: `Bearer ${row?.jupyter_token}` }, signal });
  const title = /<title>([^<]{0,200})<\/title>/u.exec(await page.text())?.[1] ?? '';
  writeOut(`\n$ curl -H 'Authorization: Bearer …' ${address}\nHTTP ${page.status}  ${title}\n`);
  if (page.status !== 200) throw new Error(`Forge's page answered ${page.status}`);
}

async function play(): Promise<void> {
  const steps: string[][] = [
    ['sandbox', 'start', '--time-scale', TIME_SCALE],
    ['whoami'],
    ['offers', '--gpu', 'RTX_4090', '--limit', '5'],
    ['launch', '--gpu', 'RTX_4090', '--max-price', '0.6', '--best', '--label', LABEL, '--yes'],
  ];
  for (const step of steps) await must(step);
  await showForgePage();
  for (const step of [['ls'], ['stop', LABEL], ['destroy', LABEL, '--yes'], ['ls']]) await must(step);
}

async function must(words: string[]): Promise<void> {
  const code = await forgectl(words, { show: true, stop: end.signal });
  end.signal.throwIfAborted();
  if (code !== 0) throw new Error(`forgectl ${words.map(shellWord).join(' ')} ended with ${code}`);
}

/** Stops the sandbox; one that does not listen is killed, and its machines end with it. */
async function cleanUp(): Promise<void> {
  const running = readSandboxFile(sandboxDir);
  if (running === null) return;
  await forgectl(['sandbox', 'stop'], { show: false, stop: AbortSignal.timeout(CLEAN_UP_LIMIT_MS) });
  if (readSandboxFile(sandboxDir) !== null) process.kill(running.pid, 'SIGKILL');
}

/** Path below the demo's folder -> its last lines. A launch that is ended destroys its machines, so what they say is read before. */
const logs = new Map<string, string[]>();

/** The sandbox's own log, the console and the logs of its machines, and what launches keep of machines that failed. */
function readLogs(): void {
  const machines = namesIn('sandbox/machines').map((id) => `sandbox/machines/${id}`);
  const folders = ['state/logs/sandbox', ...machines.map((machine) => `${machine}/root/var/log/portal`)];
  const paths = [
    'sandbox/sandbox.log',
    ...machines.map((machine) => `${machine}/console.log`),
    ...folders.flatMap((folder) => namesIn(folder).map((name) => `${folder}/${name}`)),
  ];
  for (const path of paths.filter((name) => name.endsWith('.log'))) {
    const lines = lastLines(path);
    if (lines.length > 0) logs.set(path, lines);
  }
}

/** The sandbox notes each call of its API; those that went well explain nothing. */
const SUCCESSFUL_CALL = /^\S+ [A-Z]+ \/\S* → 2\d\d/u;

/** None when it is not there, or no longer. */
function lastLines(path: string): string[] {
  try {
    const lines = readFileSync(join(home, path), 'utf8').split('\n');
    return lines.filter((line) => line !== '' && !SUCCESSFUL_CALL.test(line)).slice(-SHOWN_LINES);
  } catch {
    return [];
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(join(home, folder));
  } catch {
    return [];
  }
}

function sayWhatToLookAt(): void {
  for (const [path, lines] of logs) writeErr(`\nThe end of ${path}:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  writeErr(`
The files are in ${home}
(remove them when you have looked). The demo needs Node 20.19, bash, git 2.28 and
python3 3.8, or newer; what is there:
  node --version; bash --version; git --version; python3 --version
`);
}

function limitSeconds(): number {
  const { values } = parseArgs({ options: { limit: { type: 'string', default: '45' } }, strict: false });
  const seconds = Number(values['limit']);
  if (seconds > 0) return seconds;
  writeErr('Error: --limit takes a number of seconds.\n');
  process.exit(2);
}

function makeHome(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'forgectl-demo-'));
  } catch (error) {
    writeErr(
      `Error: The demo cannot make its folder (${(error as Error).message}).\n  Set TMPDIR to one that can be written.\n`,
    );
    process.exit(1);
  }
}

/** As a shell has it. */
const EXITS: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 };

/** Runs the demo and returns its exit code. */
async function demo(): Promise<number> {
  const startedMs = Date.now();
  const seconds = (): number => Math.round((Date.now() - startedMs) / 1000);
  const late = new Error(`it was not done after ${STEPS_LIMIT_MS / 1000} s`);
  const limit = setTimeout(() => end.abort(late), STEPS_LIMIT_MS);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end.abort(signal));
  // Nobody reads any more: `npm run demo | head`.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => end.abort('SIGPIPE'));
  writeOut(
    'The main job of forgectl, in a sandbox: a pretend Vast.ai, whose machines\nreally run. No account, no money.\n',
  );
  const failure = await play().then(
    () => null,
    (error: unknown) => (end.signal.aborted ? end.signal.reason : error) as Error | NodeJS.Signals,
  );
  clearTimeout(limit);
  readLogs();
  await cleanUp();
  if (failure instanceof Error) {
    writeErr(`\nThe demo failed: ${failure.message}\n`);
    sayWhatToLookAt();
    return 1;
  }
  rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  if (failure === null) writeOut(`\nDone in ${seconds()} s. Nothing was left behind.\n`);
  else writeErr('\nThe demo was interrupted. Nothing was left behind.\n');
  return failure === null ? 0 : (EXITS[failure] ?? 1);
}

process.exitCode = await demo();
