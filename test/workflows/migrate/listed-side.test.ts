import { describe, expect, it } from 'vitest';
import type { BytePath } from '../../../src/instance/files/byte-path.ts';
import { ListedSide, listStopped } from '../../../src/workflows/migrate/listed-side.ts';

const LINE = '+0000';
const at = '2026-01-01 00:00:00.000000000';
const list = [
  '"/host/C.7/workspace/":',
  'total 8192',
  `  11 4096 drwxr-xr-x 2 0 0 4096 ${at} ${LINE} "models"`,
  `  12 4096 -rw-r--r-- 1 0 0 7 ${at} ${LINE} "notes"`,
  '',
  '"/host/C.7/workspace/models":',
  'total 0',
  `  13 0 -rw-r--r-- 1 0 0 0 ${at} ${LINE} "empty"`,
  '',
].join('\n');

/** The platform's answers to one command after the other. */
const says =
  (...answers: (string | null)[]) =>
  async () =>
    answers.shift() ?? null;
const where = { id: 7, directory: '/workspace' };

describe('the files of a machine that does not run, as the platform lists them', () => {
  it('are known by name, below any of them, and cannot be read', async () => {
    const side = new ListedSide('old', await listStopped(says(list, '4\t/host/C.7/workspace/\n'), where));
    const base = '/workspace' as BytePath;
    const models = '/workspace/models' as BytePath;
    const { entries } = await side.list([base, models, '/workspace/none' as BytePath], { deep: true });
    expect(entries.get(base)?.map(({ path }) => path)).toEqual(['', 'models', 'notes', 'models/empty']);
    expect(entries.get(models)?.map(({ path }) => path)).toEqual(['', 'empty']);
    expect(entries.size).toBe(2);
    await expect(side.hashFiles()).rejects.toMatchObject({ code: 'SOURCE_STOPPED' });
    expect(() => side.readRanges()).toThrow('does not run');
  });

  it.each([
    ['nothing came', [null]],
    ['it was cut in the middle', [list.slice(0, -40), '4\t/x']],
    ['an empty file is missing, which only the count tells', [list.replace(/.*"empty"\n/u, ''), '4\t/x']],
    ['it was not allowed', ['Invalid command given.', null]],
    ['a directory could not be read', [`${list}ls: cannot open directory '/x': Permission denied\n`, '4\t/x']],
    ['nothing was counted', [list, null]],
  ])('are refused when %s', async (_, answers) => {
    await expect(listStopped(says(...answers), where)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', exit: 8 });
  });
});
