import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shellWord } from './typed-command.js';

/**
 * `npm run demo`: the main job in a sandbox of its own, as a user would type it. Nothing is left behind.
 * A program beside the command line, not a part of it.
 */
const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const LABEL = 'my-forge';
/** Twenty sandbox seconds pass in one of ours: a start of a minute and a half is over in five seconds. */
const TIME_SCALE = '20';

const home = mkdtempSync(join(tmpdir(), 'forgectl-demo-'));
const env: NodeJS.ProcessEnv = {
  ...process.env,
  FORGECTL_CONFIG_DIR: join(home, 'config'),
  FORGECTL_STATE_DIR: join(home, 'state'),
  FORGECTL_SANDBOX_DIR: join(home, 'sandbox'),
  FORGECTL_SANDBOX: '1',
};
// The demo's machine gets a key of its own; what the user's agent holds is not asked for.
delete env['SSH_AUTH_SOCK'];

async function forgectl(words: string[], show = true): Promise<number> {
  if (show) process.stdout.write(`\n$ forgectl ${words.map(shellWord).join(' ')}\n`);
  const child = spawn(process.execPath, [RUN, ...words], {
    env,
    stdio: ['ignore', show ? 'inherit' : 'ignore', show ? 'inherit' : 'ignore'],
  });
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

/** What a browser would get at the published address with the instance's token. */
async function showForgePage(): Promise<void> {
  const { url, api_key: key } = JSON.parse(readFileSync(join(home, 'sandbox', 'sandbox.json'), 'utf8')) as {
    url: string;
    api_key: string;
  };
  const answer = await fetch(`${url}/api/v1/instances/`, { headers: { authorization: `Bearer ${key}` } });
  const { instances } = (await answer.json()) as {
    instances: { jupyter_token: string; ports: Record<string, { HostPort: string }[]> }[];
  };
  const row = instances[0];
  const address = `http://127.0.0.1:${row?.ports['7860/tcp']?.[0]?.HostPort}/`;
  const page = await fetch(address, { headers: { authorization: `Bearer ${row?.jupyter_token}` } });
  const title = /<title>(.*?)<\/title>/u.exec(await page.text())?.[1] ?? '';
  process.stdout.write(`\n$ curl -H 'Authorization: Bearer …' ${address}\nHTTP ${page.status}  ${title}\n`);
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
  const code = await forgectl(words);
  if (code !== 0) throw new Error(`forgectl ${words.join(' ')} ended with ${code}`);
}

const startedMs = Date.now();
process.stdout.write(
  'The main job of forgectl, in a sandbox: a pretend Vast.ai with machines that really run. No account, no money.\n',
);
try {
  await play();
  process.stdout.write(`\nDone in ${Math.round((Date.now() - startedMs) / 1000)} s. Nothing was left behind.\n`);
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await forgectl(['sandbox', 'stop'], false);
  rmSync(home, { recursive: true, force: true });
}
