import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diffFreezes, isSameFreeze, parseFreeze, planRestore } from '../../src/instance/freeze.ts';
import { runScript } from '../../src/instance/remote-script.ts';
import {
  freezeNowScript,
  listBackupsScript,
  parseBackups,
  parseFreezeAnswer,
  parseWrittenBackup,
  readBackupScript,
  writeBackupScript,
} from '../../src/instance/venv-backups.ts';
import { chooseBackup } from '../../src/workflows/venv/read-freeze.ts';
import { MachineRoot } from './support/machine-root.ts';

let machine: MachineRoot;
beforeEach(() => {
  machine = new MachineRoot();
  machine.env = { CONTAINER_ID: '77' };
  freezes("printf 'a==1\\ntorch==2.9.1+cu128\\n'");
});
afterEach(() => machine.remove());

const run = (work: string) => runScript(machine, work, { timeoutMs: 5000 });
const freezes = (text: string): void => machine.tool('python', text, 'venv/main/bin');
const folder = () => join(machine.path, 'workspace', '.venv-backups', '77');
const files = () => readdirSync(folder()).filter((name) => /\d{4}\.txt$/u.test(name));

describe('a backup of the packages', () => {
  it('lies where the image keeps its own, with a link of an absolute target; the same minute is the same backup', async () => {
    const written = parseWrittenBackup((await run(writeBackupScript(5))).output);
    expect(written).toMatchObject({ contract: '77', packageCount: 2, keptCount: 48, removedCount: 0 });
    expect(written?.file).toMatch(/^venv-main-\d{4}-\d\d-\d\d-\d{4}\.txt$/u);
    expect(readFileSync(join(folder(), written?.file ?? ''), 'utf8')).toBe('a==1\ntorch==2.9.1+cu128\n');
    expect(readlinkSync(join(folder(), 'venv-main-latest.txt'))).toBe(join(folder(), written?.file ?? ''));
    await run(writeBackupScript(5));
    expect(files().length).toBeLessThanOrEqual(2);
    expect(readdirSync(folder()).filter((name) => name.startsWith('.freeze'))).toEqual([]);
  });

  it('never writes over another one', async () => {
    await run(writeBackupScript(5));
    freezes("printf 'a==2\\n'");
    await run(writeBackupScript(5));
    const texts = files().map((name) => readFileSync(join(folder(), name), 'utf8'));
    expect(texts).toContain('a==1\ntorch==2.9.1+cu128\n');
    expect(texts).toContain('a==2\n');
  });

  it('an empty or failed freeze leaves nothing', async () => {
    for (const text of ['exit 1', 'true']) {
      freezes(text);
      expect((await run(writeBackupScript(5))).exitCode).toBe(3);
    }
    expect(readdirSync(folder())).toEqual([]);
  });

  it('the oldest go beyond VENV_BACKUP_COUNT, and none with 0', async () => {
    const old = ['2020-01-01-0000', '2020-01-01-0030', '2020-01-01-0100'];
    for (const time of old) machine.write(`workspace/.venv-backups/77/venv-main-${time}.txt`, 'x==1\n');
    machine.write('workspace/.venv-backups/77/notes.txt', 'mine\n');
    machine.env['VENV_BACKUP_COUNT'] = '0';
    await run(writeBackupScript(5));
    expect(files()).toHaveLength(4);
    machine.env['VENV_BACKUP_COUNT'] = '2';
    freezes("printf 'b==1\\n'");
    expect(parseWrittenBackup((await run(writeBackupScript(5))).output)).toMatchObject({ removedCount: 3 });
    expect(files()).toHaveLength(2);
    expect(existsSync(join(folder(), 'notes.txt'))).toBe(true);
  });

  it('the list knows the latest, other contracts, and nothing of odd names', async () => {
    await run(writeBackupScript(5));
    machine.write('workspace/.venv-backups/12/venv-main-2020-01-01-0000.txt', 'x==1\n# y\n\nz==2\n');
    machine.write('workspace/.venv-backups/a b$(touch pwned)/venv-main-2020-01-01-0000.txt', 'x==1\n');
    const found = parseBackups((await run(listBackupsScript())).output);
    expect(found).toHaveLength(2);
    expect(found[0]).toMatchObject({ contract: '77', isLatest: true, packageCount: 2 });
    expect(found[1]).toMatchObject({ contract: '12', isLatest: false, packageCount: 2, takenAt: '2020-01-01 00:00' });
    expect(chooseBackup(found, 'latest', 77).contract).toBe('77');
    expect(chooseBackup(found, '2020', 77).contract).toBe('12');
    expect(chooseBackup(found, '12/latest', 77).contract).toBe('12');
    expect(chooseBackup(found, '2020-01-01 00:00', 77).contract).toBe('12');
    expect(() => chooseBackup(found, '2019', 77)).toThrow('no backup');
    const text = (await run(readBackupScript(found[1] as never))).output;
    expect(parseFreezeAnswer(text)).toBe('x==1\n# y\n\nz==2\n');
    expect(existsSync(join(machine.path, 'pwned'))).toBe(false);
    expect(() => readBackupScript({ contract: '..', file: 'venv-main-x.txt' })).toThrow();
    expect(parseFreezeAnswer((await run(freezeNowScript())).output)).toBe('a==1\ntorch==2.9.1+cu128');
  });

  it('its age is of the file', async () => {
    await run(writeBackupScript(5));
    utimesSync(join(folder(), files()[0] as string), 1000, 1000);
    expect(parseBackups((await run(listBackupsScript())).output)[0]?.changedAtMs).toBe(1_000_000);
    expect(lstatSync(join(folder(), 'venv-main-latest.txt')).isSymbolicLink()).toBe(true);
  });
});

describe('what a freeze says', () => {
  const before = parseFreeze('A_b==1\ngone==1\nx @ git+https://h.invalid/x@abc\n-e git+https://h.invalid/e#egg=e_d\n');

  it('is compared by name, as pip compares names', () => {
    const after = parseFreeze('a.B==2\nx @ git+https://h.invalid/x@abc\nnew==1\n');
    const { added, removed, changed } = diffFreezes(before, after);
    expect(added.map(({ name }) => name)).toEqual(['new']);
    expect(removed.map(({ name }) => name)).toEqual(['e-d', 'gone']);
    expect(changed).toMatchObject([{ name: 'a-b', before: { version: '1' }, after: { version: '2' } }]);
  });

  it('what belongs to the card, was editable or came from a file is not restored, with the reason', () => {
    const wanted = parseFreeze(
      'torch==2.6.0+cu124\nnvidia-cudnn-cu12==9\ntriton==3\nb==2\n-e /root/x\nc @ file:///tmp/c.whl\nd @ https://h.invalid/d.whl\n--index-url x\n',
    );
    const now = parseFreeze('torch==2.9.1+cu128\ntorchvision==1\nb==1\nmine==1\npip==25\n');
    const { install, extra, impossible } = planRestore(wanted, now);
    expect(install.map(({ line }) => line).sort()).toEqual(['b==2', 'd @ https://h.invalid/d.whl']);
    expect(extra.map(({ name }) => name)).toEqual(['mine']);
    expect(impossible.map(({ name }) => name).sort()).toEqual([
      '--index-url x',
      '-e /root/x',
      'c',
      'nvidia-cudnn-cu12',
      'torch',
      'triton',
    ]);
    expect(impossible.every(({ reason }) => reason.length > 5)).toBe(true);
  });

  it("pip's own tools are not missing where a freeze does not tell of them", () => {
    const wanted = parseFreeze('a==1\npip==23.0.1\nsetuptools==66.1.1\n');
    expect(planRestore(wanted, parseFreeze('a==1\n')).install).toEqual([]);
    const { install } = planRestore(wanted, parseFreeze('a==1\nsetuptools==65\n'));
    expect(install.map(({ line }) => line)).toEqual(['setuptools==66.1.1']);
  });

  it('property: a freeze never differs from itself, and nothing of torch is ever installed or removed', () => {
    const name = fc.constantFrom(
      'torch',
      'Torch',
      'torch_vision',
      'torchaudio',
      'nvidia-x',
      'triton',
      'a',
      'b.c',
      '-e q',
    );
    const line = fc.tuple(name, fc.constantFrom('==1', '==2+cu', ' @ file:///x', '')).map(([one, end]) => one + end);
    const freeze = fc.array(line).map((lines) => parseFreeze(lines.join('\n')));
    fc.assert(
      fc.property(freeze, freeze, (one, other) => {
        expect(isSameFreeze(diffFreezes(one, one))).toBe(true);
        const { install, extra } = planRestore(one, other);
        expect(install.every(({ line }) => !line.startsWith('-'))).toBe(true);
        for (const touched of [...install, ...extra]) {
          expect(touched.name).not.toMatch(/^(?:torch|torchvision|torchaudio|nvidia-.*|triton)$/u);
          expect(touched.name).toMatch(/^[a-z0-9]/u);
        }
      }),
    );
  });
});
