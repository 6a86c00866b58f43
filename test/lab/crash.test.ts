import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { sweepDisks } from './disk.ts';
import { LabHost } from './host.ts';
import { processesWith } from './host-process.ts';
import { describeLab } from './lab-suite.ts';
import { world } from './world.ts';

const ENTER = fileURLToPath(new URL('enter.js', import.meta.url));
const TYPESCRIPT = new URL('typescript.js', import.meta.url).href;
const RUNNER = fileURLToPath(new URL('support/boot-and-hang.ts', import.meta.url));

/** What support/boot-and-hang.ts says: "ready NAME:LINK NAME:LINK". */
function machinesOf(said: string): { name: string; link: string }[] {
  return said
    .trim()
    .split(' ')
    .slice(1)
    .map((word) => {
      const [name = '', link = ''] = word.split(':');
      return { name, link };
    });
}

/** Starts two machines that run `sleep <mark>`, says so, and hangs. */
async function startRunner(words: string[], mark: string): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [...words, RUNNER, mark], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await expect.poll(() => said, { interval: 50 }).toMatch(/ready .*\n/u);
  expect(processesWith(`sleep\0${mark}`)).toHaveLength(2);
  return { child, said };
}

const hasLink = (link: string): boolean => readFileSync('/proc/net/dev', 'utf8').includes(` ${link}:`);
const mounts = (): string => readFileSync('/proc/mounts', 'utf8');
const hosts = (): string[] => readdirSync(join(world(), 'hosts'));

/** The kinds of namespaces that the lab makes, of these processes or of all. */
function namespaces(pids: readonly (number | string)[] = readdirSync('/proc')): Set<string> {
  const found = new Set<string>();
  for (const pid of pids) {
    for (const kind of ['net', 'mnt', 'pid', 'uts', 'ipc']) {
      try {
        found.add(readlinkSync(`/proc/${pid}/ns/${kind}`));
      } catch {
        // not a process, or no longer
      }
    }
  }
  return found;
}

describeLab('what a killed runner leaves', () => {
  const started: ChildProcess[] = [];
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });

  it('nothing, when the whole lab is killed: no process, no namespace, no mount, no folder', async () => {
    const { child, said } = await startRunner([ENTER], '86001');
    started.push(child);
    const its = namespaces(processesWith('sleep\u000086001'));
    for (const own of namespaces(['self'])) its.delete(own);
    // Two machines with four namespaces each, and their shared table of processes is another one each.
    expect(its.size).toBe(10);
    child.kill('SIGKILL');
    await expect.poll(() => processesWith('86001')).toEqual([]);
    const left = namespaces();
    expect([...its].filter((one) => left.has(one))).toEqual([]);
    for (const { name } of machinesOf(said)) {
      expect(mounts()).not.toContain(name);
      expect(hosts()).not.toContain(name);
    }
  });

  it('no process and no network, when one process of several is killed; the next start sweeps its disks', async () => {
    const { child, said } = await startRunner(['--import', TYPESCRIPT], '86002');
    started.push(child);
    const machines = machinesOf(said);
    const names = machines.map(({ name }) => name).sort();
    expect(machines.map(({ link }) => hasLink(link))).toEqual([true, true]);
    child.kill('SIGKILL');
    await expect.poll(() => processesWith('86002')).toEqual([]);
    await expect.poll(() => machines.map(({ link }) => hasLink(link))).toEqual([false, false]);
    // Another file's start may have been quicker with this.
    await sweepDisks();
    expect(hosts().filter((name) => names.includes(name))).toEqual([]);
    expect(names.filter((name) => mounts().includes(name))).toEqual([]);
  });

  it('a machine that is removed in order leaves nothing either', async () => {
    const host = await LabHost.boot({ onstart: 'sleep 86003' });
    const { link } = host.place;
    await host.waitFor('pgrep -f "sleep 86003"');
    expect([hasLink(link), mounts().includes(host.name)]).toEqual([true, true]);
    await host.remove();
    expect(processesWith('86003')).toEqual([]);
    expect([hasLink(link), mounts().includes(host.name), hosts().includes(host.name)]).toEqual([false, false, false]);
  });
});
