import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { TunnelRegistry } from '../../src/cli/tunnel-registry.ts';
import { Journal } from '../../src/workflows/journal.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Home } from '../support/forgectl.ts';

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

describe('what an entry of a state directory names', () => {
  /** A state directory with the entry of a tunnel whose process is gone. */
  function registryWith(entry: Record<string, unknown>): { state: string; registry: TunnelRegistry } {
    const state = temporary('state-');
    mkdirSync(join(state, 'tunnels', 'vast'), { recursive: true });
    const gone = { instance_id: 7, label: null, pid: 999_999_999, started: 'x', since: '', ...entry };
    writeFileSync(join(state, 'tunnels', 'vast', '7.json'), JSON.stringify(gone));
    return { state, registry: new TunnelRegistry(state, 'vast') };
  }

  function temporary(prefix: string): string {
    const made = mkdtempSync(join(tmpdir(), prefix));
    cleanUps.push(() => rmSync(made, { recursive: true, force: true }));
    return made;
  }

  it('is not removed with what lies beside it: a tunnel', () => {
    const precious = temporary('precious-');
    const file = join(precious, 'sock');
    writeFileSync(file, 'data');
    const own = temporary('forgectl-tunnel-');
    writeFileSync(join(own, 'sock'), 'no socket');
    const link = `${own}-link`;
    symlinkSync(precious, link);
    cleanUps.push(() => rmSync(link));
    for (const socket of [file, join(own, 'sock'), join(link, 'sock'), join(own, '..', 'x', 'sock'), 'sock', '/'])
      expect(registryWith({ socket }).registry.list()).toEqual([]);
    expect(readdirSync(precious)).toEqual(['sock']);
    expect(readdirSync(own)).toEqual(['sock']);
  });

  it('is removed when it is a socket of ours, with the directory that was made for it', async () => {
    const place = temporary('forgectl-tunnel-');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(place, 'sock'), resolve));
    cleanUps.push(() => server.close());
    expect(registryWith({ socket: join(place, 'sock') }).registry.list()).toEqual([]);
    expect(existsSync(place)).toBe(false);
  });

  it('is not believed when its name and its id differ: a tunnel, a run', () => {
    const { state, registry } = registryWith({ instance_id: '../../victim', socket: 'x' });
    const victim = join(state, 'victim.json');
    writeFileSync(victim, '{}');
    expect(registry.list()).toEqual([]);
    expect(existsSync(victim)).toBe(true);
    mkdirSync(join(state, 'runs', 'vast'), { recursive: true });
    const run = {
      version: 1,
      id: '../victim',
      kind: 'x',
      title: '',
      state: 'done',
      updatedAt: '',
      startedAt: '',
      steps: [],
    };
    writeFileSync(join(state, 'runs', 'vast', 'r1.json'), JSON.stringify(run));
    const journal = new Journal({ stateDir: state, context: 'vast', clock: new FakeClock() });
    expect(() => journal.list()).toThrow(/cannot be read/u);
    expect(existsSync(victim)).toBe(true);
  });
});

describe('sandbox reset', () => {
  it('leaves alone what no sandbox has made', async () => {
    const home = new Home();
    cleanUps.push(() => rmSync(home.directory, { recursive: true, force: true }));
    const directory = join(home.directory, 'sandbox');
    mkdirSync(join(directory, 'machines', '1'), { recursive: true });
    for (const name of ['world.json', 'sandbox.log', 'sandbox.lock', 'thesis.txt'])
      writeFileSync(join(directory, name), '');
    const { code, stderr } = await home.run(['sandbox', 'reset', '--yes']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('thesis.txt') });
    expect(readdirSync(directory)).toEqual(['thesis.txt']);
  });
});
