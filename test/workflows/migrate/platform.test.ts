import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { fromText } from '../../../src/instance/files/byte-path.ts';
import { planCopy } from '../../../src/workflows/copy/copy.ts';
import { LocalSide } from '../../../src/workflows/copy/local-side.ts';
import { Meter } from '../../../src/workflows/copy/meter.ts';
import type { Pass } from '../../../src/workflows/migrate/transport.ts';
import { PlatformCopy } from '../../../src/workflows/migrate/transports/platform.ts';
import { Relay } from '../../../src/workflows/migrate/transports/relay.ts';
import { FileSandbox } from '../../support/file-sandbox.ts';
import { describeTree, makeAwkwardTree } from '../copy/support/awkward-tree.ts';

describe('the platform’s copy as a way for a migration', () => {
  const sandbox = new FileSandbox();
  let [from, to] = [0, 0];

  beforeAll(async () => {
    await sandbox.start(600);
    [from, to] = [await sandbox.rent(), await sandbox.rent()];
    makeAwkwardTree(sandbox.path(from, 'workspace', 'tree'), { withPipe: false });
    rmSync(sandbox.path(from, 'workspace', 'tree', 'hard'));
    rmSync(sandbox.path(from, 'workspace', 'tree', 'sub/deep/hard too'));
  });
  afterAll(() => sandbox.close());

  /** The machines' files are this computer's. */
  async function passOf(): Promise<Pass> {
    const sides = { source: new LocalSide('/'), destination: new LocalSide('/') };
    const [source, destination] = [sandbox.path(from, 'workspace'), sandbox.path(to, 'workspace')];
    const plan = await planCopy(
      sides,
      {
        sources: [fromText(`${source}/.`)],
        destination: fromText(destination),
        onOneSide: false,
        exclude: () => false,
        followLinks: false,
        mayNameLinks: true,
      },
      { noClobber: false, update: false, skipSame: true, links: 'all', largeBytes: 1e9 },
    );
    const { signal } = new AbortController();
    const meter = new Meter({ clock: systemClock, signal, mostBytesPerS: null, onProgress: () => {} });
    return {
      source: { instanceId: from, path: '/workspace' },
      destination: { instanceId: to, path: '/workspace' },
      plan,
      context: { ...sides, meter, clock: systemClock, signal } as unknown as Pass['context'],
      onDetail: () => {},
    } as unknown as Pass;
  }

  const way = (): PlatformCopy =>
    new PlatformCopy({
      copies: sandbox.vast.copies,
      readInstance: (id) => sandbox.vast.instances.get(id),
      clock: sandbox.clock,
      beginCleanUp: () => {},
      destinationId: to,
      rest: new Relay(),
      worthBytes: 0,
      stallMs: 240_000,
    });

  it('carries a tree, names of any bytes included, and ends by itself', async () => {
    expect(await way().carry(await passOf())).toEqual({ movedBytes: null, problems: [] });
    expect(describeTree(sandbox.path(to, 'workspace'))).toEqual(describeTree(sandbox.path(from, 'workspace')));
  });

  it('a file that has grown or gone since the plan does not keep it waiting', async () => {
    for (const name of ['log', 'gone']) writeFileSync(sandbox.path(from, 'workspace', name), 'x'.repeat(1000));
    const pass = await passOf();
    appendFileSync(sandbox.path(from, 'workspace', 'log'), 'more');
    rmSync(sandbox.path(from, 'workspace', 'gone'));
    await way().carry(pass);
  });

  it('a file that never comes is an error', async () => {
    const pass = await passOf();
    mkdirSync(sandbox.path(from, 'workspace', 'zz last'));
    writeFileSync(sandbox.path(from, 'workspace', 'zz last', 'late'), 'l'.repeat(1_000_000));
    await sandbox.fault({ name: 'copy-fails', instance_id: to, count: 1 });
    const late = await passOf();
    expect(pass.plan.totals.files).toBeLessThan(late.plan.totals.files);
    await expect(way().carry(late)).rejects.toMatchObject({ code: 'PLATFORM_COPY_STALLED' });
    await way().tidy();
  });
});
