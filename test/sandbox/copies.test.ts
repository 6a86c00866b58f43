import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileSandbox } from '../support/file-sandbox.ts';
import { describeTree, makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';

const ROUTE = '/api/v0/commands/copy_direct/';

describe('copy_direct in the sandbox', () => {
  const sandbox = new FileSandbox();
  let [from, to] = [0, 0];

  beforeAll(async () => {
    await sandbox.start(600);
    [from, to] = [await sandbox.rent(), await sandbox.rent()];
  });
  afterAll(() => sandbox.close());
  beforeEach(async () => {
    await sandbox.call('DELETE', '/sandbox/faults/');
    for (const id of [from, to]) {
      rmSync(sandbox.path(id, 'workspace'), { recursive: true });
      mkdirSync(sandbox.path(id, 'workspace'));
    }
  });

  const put = (body: Record<string, unknown>) =>
    sandbox.call('PUT', ROUTE, {
      client_id: 'me',
      src_id: `C.${from}`,
      dst_id: `C.${to}`,
      src_path: '/workspace/',
      dst_path: '/workspace/',
      ...body,
    });
  const status = async (id: number): Promise<string> => {
    const { body } = await sandbox.call('GET', `/api/v0/instances/${id}/?owner=me`);
    return String((body['instances'] as Record<string, unknown>)['status_msg']);
  };
  const until = async (what: () => boolean | Promise<boolean>): Promise<void> => {
    for (let looks = 0; looks < 1000 && !(await what()); looks += 1) await sandbox.clock.sleep(3000);
    expect(await what()).toBe(true);
  };

  it('accepts at once, copies as rsync does, and tells of it 30 s late in the status bar alone', async () => {
    makeAwkwardTree(sandbox.path(from, 'workspace', 'tree'), { withPipe: false });
    rmSync(sandbox.path(from, 'workspace', 'tree', 'hard'));
    rmSync(sandbox.path(from, 'workspace', 'tree', 'sub/deep/hard too'));
    const { status: code, body } = await put({});
    expect(code).toBe(200);
    expect(body).toEqual({ success: true, msg: expect.stringContaining('Remote to Remote copy initiated') });
    expect(await status(to)).toMatch(/^success, running/u);
    const wanted = describeTree(sandbox.path(from, 'workspace'));
    await until(() => existsSync(sandbox.path(to, 'workspace', 'tree', 'sub', 'deep', 'er', 'file')));
    await until(async () => /Copying C\.\d+ to C\.\d+: [\d,]+ +\d+%/u.test(await status(to)));
    expect(await status(from)).toContain(`Copying C.${from} to C.${to}`);
    const isWhole = (): boolean => {
      try {
        return describeTree(sandbox.path(to, 'workspace')).join() === wanted.join();
      } catch {
        // A draft got its name while the tree was read.
        return false;
      }
    };
    await until(isWhole);
    await until(async () => (await status(to)).startsWith('success, running'));
  });

  it('without the slash the directory itself goes into the destination; links out of the machine are not followed', async () => {
    mkdirSync(sandbox.path(from, 'workspace', 'models'));
    writeFileSync(sandbox.path(from, 'workspace', 'models', 'a'), 'a');
    await put({ src_path: '/workspace/models', dst_path: '/workspace/' });
    await until(() => existsSync(sandbox.path(to, 'workspace', 'models', 'a')));
    symlinkSync('/etc', sandbox.path(from, 'workspace', 'out'));
    await put({ src_path: '/workspace/out/', dst_path: '/workspace/etc' });
    await put({ src_path: '/workspace/models/../../../../../../etc/', dst_path: '/workspace/etc' });
    await sandbox.clock.sleep(20_000);
    expect(existsSync(sandbox.path(to, 'workspace', 'etc', 'passwd'))).toBe(false);
  });

  it.each([
    [{ src_path: '/' }, 400, 'Invalid src_path.'],
    [{ src_path: null }, 400, 'Invalid src_path.'],
    [{ dst_path: 'workspace' }, 400, 'Invalid dst_path.'],
    [{ dst_id: 'C.1' }, 404, 'No such user.'],
    [{ src_id: 'V.12' }, 400, 'The sandbox copies between instances only.'],
  ])('refuses %j', async (body, code, msg) => {
    expect(await put(body)).toMatchObject({ status: code, body: { success: false, msg } });
  });

  it('faults: refused with 200; hangs in the middle until it is cancelled; fails in the middle and says nothing', async () => {
    writeFileSync(sandbox.path(from, 'workspace', 'big'), Buffer.alloc(3_000_000, 'b'));
    await sandbox.fault({ name: 'copy-refused', count: 1 });
    expect(await put({})).toMatchObject({ status: 200, body: { success: false } });
    for (const name of ['copy-hangs', 'copy-fails']) {
      await sandbox.fault({ name, instance_id: to, count: 1 });
      await put({});
      const parts = () => readdirSync(sandbox.path(to, 'workspace')).filter((file) => file.startsWith('.big.'));
      await until(() => parts().length === 1);
      await sandbox.clock.sleep(60_000);
      expect(existsSync(sandbox.path(to, 'workspace', 'big'))).toBe(false);
      const [part = ''] = parts();
      expect(statSync(sandbox.path(to, 'workspace', part)).size).toBeLessThan(2_000_000);
      expect((await sandbox.call('DELETE', ROUTE, { client_id: 'me', dst_id: String(to) })).body).toEqual({
        success: true,
      });
      rmSync(sandbox.path(to, 'workspace', part));
    }
    expect((await sandbox.call('DELETE', ROUTE, { dst_id: `C.${to}` })).status).toBe(400);
    expect((await sandbox.call('DELETE', ROUTE, { dst_id: '1' })).status).toBe(404);
    await put({});
    await until(() => existsSync(sandbox.path(to, 'workspace', 'big')));
    expect(readFileSync(sandbox.path(to, 'workspace', 'big')).length).toBe(3_000_000);
  });

  it('works between stopped machines, and over /root it breaks every later copy', async () => {
    await sandbox.vast.instances.setState(from, 'stopped');
    writeFileSync(sandbox.path(from, 'workspace', 'a'), 'a');
    await put({});
    await until(() => existsSync(sandbox.path(to, 'workspace', 'a')));
    await put({ dst_path: '/root' });
    await until(() => existsSync(sandbox.path(to, 'root', 'a')));
    writeFileSync(sandbox.path(from, 'workspace', 'late'), 'l');
    expect((await put({})).body).toMatchObject({ success: true });
    await sandbox.clock.sleep(30_000);
    expect(existsSync(sandbox.path(to, 'workspace', 'late'))).toBe(false);
  });
});
