import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { commandLinesWith } from '../support/machine-processes.ts';
import { folderOf } from '../support/python-layouts.ts';

const DEMO = fileURLToPath(new URL('../../dist/cli/demo.js', import.meta.url));
const parent = mkdtempSync(join(tmpdir(), 'forgectl demos '));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

interface Shown {
  code: number | null;
  stdout: string;
  stderr: string;
  seconds: number;
  /** Where this demo, and no other, puts its files. */
  temporary: string;
}

function demo(
  name: string,
  {
    path,
    limit,
    images = process.env['FORGECTL_SANDBOX_IMAGES'],
    during,
  }: {
    path: string;
    limit?: number;
    images?: string | undefined;
    during?: (text: string, child: ChildProcess) => void;
  },
): Promise<Shown> {
  const temporary = mkdtempSync(join(parent, `${name} `));
  const child = spawn(process.execPath, [DEMO, ...(limit === undefined ? [] : [`--limit=${limit}`])], {
    env: {
      HOME: temporary,
      TMPDIR: temporary,
      // A user's own settings are no part of it.
      FORGECTL_CONTEXT: 'mine',
      FORGECTL_JSON: '1',
      PATH: path,
      ...(images === '' ? {} : { FORGECTL_SANDBOX_IMAGES: images }),
    },
  });
  const startedMs = Date.now();
  const seen = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      seen[stream] += text;
      during?.(seen.stdout + seen.stderr, child);
    });
  return new Promise((resolve) =>
    child.once('close', (code) => resolve({ code, ...seen, seconds: (Date.now() - startedMs) / 1000, temporary })),
  );
}

/** A machine that never boots: its awk waits for ever. */
function pathOfStuckMachines(name: string): string {
  const folder = join(parent, `${name} path`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'awk'), '#!/bin/sh\nexec sleep 2000000\n', { mode: 0o755 });
  return `${folder}:${process.env['PATH']}`;
}

/** Whether any demo's sandbox builds the image of its machines. */
function hasDraft(): boolean {
  try {
    return readdirSync(parent, { recursive: true, encoding: 'utf8' }).some((path) => path.includes('.draft-'));
  } catch {
    return false; // What is read may go meanwhile.
  }
}

it.runIf(isMost)('shows the main job, and leaves nothing behind (long)', async () => {
  const shown = await demo('whole', { path: process.env['PATH'] ?? '' });
  expect(shown.code, shown.stderr).toBe(0);
  expect(shown.stdout).toContain('HTTP 200  Stable Diffusion WebUI Forge');
  expect(shown.stdout).toMatch(/Done in \d+ s\. Nothing was left behind\.\n$/u);
  expect(readdirSync(shown.temporary)).toEqual([]);
  expect(commandLinesWith(shown.temporary)).toEqual([]);
});

it('that cannot run says what is missing and where to look', async () => {
  const shown = await demo('missing', { path: folderOf(join(parent, 'missing path'), ['bash', 'sh', 'git']) });
  expect(shown.code).toBe(1);
  expect(shown.stderr).toContain('python3 is not on PATH');
  expect(shown.stderr).toContain('The demo failed: forgectl sandbox start --time-scale 20 ended with 8');
  const kept = /^The files are in (.+)$/mu.exec(shown.stderr)?.[1] ?? '';
  expect(readFileSync(join(kept, 'sandbox/sandbox.log'), 'utf8')).toContain('python3 is not on PATH');
});

it.runIf(isMost)(
  'that comes to no end is ended, with the ends of its logs, and nothing of it runs on (long)',
  async () => {
    const shown = await demo('stuck', { path: pathOfStuckMachines('stuck'), limit: 20 });
    expect(shown.code).toBe(1);
    expect(shown.seconds).toBeLessThan(20 + 60);
    expect(shown.stderr).toContain('The demo failed: it was not done after 20 s');
    // Of a machine that is given up meanwhile, what the launch has kept.
    expect(shown.stderr).toMatch(
      /^The end of (?:sandbox\/machines\/20000017\/console|state\/logs\/sandbox\/20000017)\.log:$/mu,
    );
    expect(commandLinesWith(shown.temporary)).toEqual([]);
  },
);

it('that is ended while its sandbox starts, or whose reader goes, leaves nothing behind', async () => {
  // Its git waits, so that the sandbox is still being made ready.
  const slow = join(parent, 'slow path');
  mkdirSync(slow, { recursive: true });
  const git = '#!/bin/sh\n[ "$1" = --version ] && exec /usr/bin/git --version; exec sleep 2000000\n';
  writeFileSync(join(slow, 'git'), git, { mode: 0o755 });
  const early = await demo('early', {
    path: `${slow}:${process.env['PATH']}`,
    images: '',
    during: (_text, child) => {
      const poll = setInterval(() => {
        if (!hasDraft()) return;
        clearInterval(poll);
        child.kill('SIGTERM');
      }, 20);
      child.once('close', () => clearInterval(poll));
    },
  });
  expect(early.code).toBe(143);
  const unread = await demo('unread', {
    path: process.env['PATH'] ?? '',
    during: (text, child) => {
      if (text.includes('Credit')) child.stdout?.destroy();
    },
  });
  expect(unread.code).toBe(141);
  for (const { temporary } of [early, unread]) {
    expect(readdirSync(temporary)).toEqual([]);
    expect(commandLinesWith(temporary)).toEqual([]);
  }
});

it('that is interrupted leaves nothing behind', async () => {
  let isInterrupted = false;
  const shown = await demo('interrupted', {
    path: pathOfStuckMachines('interrupted'),
    during: (text, child) => {
      if (isInterrupted || !text.includes('Waiting for the machine')) return;
      isInterrupted = true;
      child.kill('SIGINT');
    },
  });
  expect(shown.code).toBe(130);
  expect(shown.stderr).toContain('The demo was interrupted. Nothing was left behind.');
  expect(readdirSync(shown.temporary)).toEqual([]);
  expect(commandLinesWith(shown.temporary)).toEqual([]);
  expect(existsSync(shown.temporary)).toBe(true);
});
