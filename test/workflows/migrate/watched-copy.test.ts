import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EXIT, type ForgeError } from '../../../src/errors.ts';
import {
  type Look,
  WatchedCopy,
  type WatchedCopyRequest,
} from '../../../src/workflows/migrate/transports/watched-copy.ts';
import { FileSandbox } from '../../support/file-sandbox.ts';

const SIZE = 3_000_000;

describe('a copy by the platform', () => {
  const sandbox = new FileSandbox();
  let [sourceId, destinationId] = [0, 0];
  const said: string[] = [];
  let cleanUps = 0;

  beforeAll(async () => {
    await sandbox.start(600);
    [sourceId, destinationId] = [await sandbox.rent(), await sandbox.rent()];
    writeFileSync(sandbox.path(sourceId, 'workspace', 'model'), Buffer.alloc(SIZE, 'm'));
  });
  afterAll(() => sandbox.close());
  beforeEach(async () => {
    await sandbox.call('DELETE', '/sandbox/faults/');
    const place = sandbox.path(destinationId, 'workspace');
    for (const name of readdirSync(place)) rmSync(join(place, name), { recursive: true });
    said.length = 0;
    cleanUps = 0;
  });

  const place = (): string => sandbox.path(destinationId, 'workspace');
  const look = async (): Promise<Look> => ({
    isComplete: existsSync(join(place(), 'model')) && statSync(join(place(), 'model')).size === SIZE,
    bytes: readdirSync(place()).reduce((sum, name) => sum + statSync(join(place(), name)).size, 0),
    freeBytes: null,
  });
  const copyOf = (more: Partial<ConstructorParameters<typeof WatchedCopy>[0]> = {}): WatchedCopy =>
    new WatchedCopy({
      copies: sandbox.vast.copies,
      readInstance: (id) => sandbox.vast.instances.get(id),
      clock: sandbox.clock,
      onStatus: (text) => said.push(text),
      beginCleanUp: () => {
        cleanUps += 1;
      },
      ...more,
    });
  const request = (more: Partial<WatchedCopyRequest> = {}): WatchedCopyRequest => ({
    sourceId,
    destinationId,
    sourcePath: '/workspace',
    destinationPath: '/workspace',
    look,
    signal: new AbortController().signal,
    ...more,
  });
  const failureOf = (running: Promise<void>): Promise<ForgeError> =>
    running.then(
      () => expect.unreachable('it did not fail'),
      (error: ForgeError) => error,
    );
  /** Whether something still moves at the destination. */
  const isStill = async (): Promise<boolean> => {
    const before = (await look()).bytes;
    await sandbox.clock.sleep(30_000);
    return (await look()).bytes === before;
  };

  it('ends when the comparison says so, and tells what the status bar says', async () => {
    await copyOf().run(request());
    expect((await look()).isComplete).toBe(true);
    expect(readdirSync(place())).toEqual(['model']);
    for (const text of said) expect(text).toMatch(/^Copying C\.\d+ to C\.\d+/u);
  });

  it.each(['copy-hangs', 'copy-fails'])('%s: cancelled when nothing moves any more, and an error', async (name) => {
    await sandbox.fault({ name, instance_id: destinationId, count: 1 });
    const failure = await failureOf(copyOf().run(request({ stallMs: 240_000 })));
    expect(failure).toMatchObject({ code: 'PLATFORM_COPY_STALLED', exit: EXIT.timedOut });
    expect(await isStill()).toBe(true);
    expect(existsSync(join(place(), 'model'))).toBe(false);
  });

  it('a full disk at its destination is told long before a stall, and cancelled', async () => {
    await sandbox.fault({ name: 'copy-fails', instance_id: destinationId, count: 1 });
    const startedMs = sandbox.clock.now();
    const full = async (): Promise<Look> => ({ ...(await look()), freeBytes: 4096 });
    expect(await failureOf(copyOf().run(request({ look: full })))).toMatchObject({
      code: 'DISK_FULL',
      exit: EXIT.notReady,
    });
    expect(sandbox.clock.now() - startedMs).toBeLessThan(9 * 60_000);
    expect(await isStill()).toBe(true);
  });

  it('an interruption cancels it, and what cannot be shown to have ended is exit 15', async () => {
    await sandbox.fault({ name: 'copy-hangs', instance_id: destinationId, count: 2 });
    const stop = new AbortController();
    const running = failureOf(copyOf().run(request({ signal: stop.signal })));
    await sandbox.clock.sleep(30_000);
    stop.abort(new Error('interrupted'));
    expect((await running).message).toBe('interrupted');
    expect(cleanUps).toBe(1);
    expect(await isStill()).toBe(true);
    let bytes = 0;
    const restless = async (): Promise<Look> => {
      bytes += 1;
      return { isComplete: false, bytes, freeBytes: null };
    };
    const again = new AbortController();
    const unsure = failureOf(copyOf().run(request({ signal: again.signal, look: restless })));
    await sandbox.clock.sleep(30_000);
    again.abort(new Error('interrupted'));
    expect(await unsure).toMatchObject({ code: 'PLATFORM_COPY_NOT_CANCELLED', exit: EXIT.cleanUpFailed });
  });

  it('a refusal is the platform’s own error, and nothing is cancelled for it', async () => {
    await sandbox.fault({ name: 'copy-refused', message: 'No rsync for you', count: 1 });
    const cancels: number[] = [];
    const copies = { ...sandbox.vast.copies, cancel: async (id: number) => void cancels.push(id) };
    expect((await failureOf(copyOf({ copies }).run(request()))).message).toContain('No rsync for you');
    expect(cancels).toEqual([]);
  });

  it('a lost answer: cancelled, started again, and complete', async () => {
    await sandbox.fault({ name: 'close-after', route: 'PUT /api/v0/commands/copy_direct/', count: 1 });
    await copyOf().run(request());
    expect((await look()).isComplete).toBe(true);
  });

  it('an API that fails while it is watched does not end it', async () => {
    const { copies } = sandbox.vast;
    const start: typeof copies.start = async (order) => {
      await copies.start(order);
      await sandbox.fault({ name: 'garbage', route: 'GET /api/v0/instances/{id}/', count: 3 });
    };
    await copyOf({ copies: { ...copies, start } }).run(request());
    expect((await look()).isComplete).toBe(true);
  });

  it.each([
    ['/workspace', '/root'],
    ['/workspace', '/'],
    ['/', '/workspace'],
    ['/workspace/../root', '/workspace'],
    ['workspace', '/workspace'],
  ])('from %s to %s is refused before anything is sent', async (sourcePath, destinationPath) => {
    const failure = await failureOf(copyOf().run(request({ sourcePath, destinationPath })));
    expect(failure).toMatchObject({ code: 'USAGE', exit: EXIT.usage });
  });
});
