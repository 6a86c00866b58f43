import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeLab } from './lab-suite.ts';

const ENTER = fileURLToPath(new URL('enter.js', import.meta.url));
const { FORGECTL_LAB: _world, ...OUTSIDE } = process.env;

function enter(words: string[], env: NodeJS.ProcessEnv, user: string[] = []): Promise<{ code: number; text: string }> {
  const [file = '', ...rest] = [...user, process.execPath, ENTER, ...words];
  return new Promise((resolve) => {
    execFile(file, rest, { env: { ...OUTSIDE, CI: '', ...env } }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), text: `${stdout}${stderr}` }),
    );
  });
}

describeLab('the way into a lab', () => {
  const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

  it('without root: says why and runs the command without a lab, whose tests are then skipped; a failure in CI', async () => {
    const here = await enter(['sh', '-c', 'echo "lab: [$FORGECTL_LAB]"'], {}, nobody);
    expect(here).toEqual({ code: 0, text: 'lab: []\nThe lab cannot run here: it needs root.\n' });
    expect(await enter(['true'], { CI: 'true' }, nobody)).toEqual({
      code: 1,
      text: 'The lab cannot run here: it needs root.\n',
    });
  });

  it('without the right to make namespaces: says so', async () => {
    const here = await enter(['true'], {}, ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin']);
    expect(here.code).toBe(0);
    expect(here.text).toMatch(/^The lab cannot run here: namespaces or mounts are not allowed: .*not permitted\.\n$/u);
  });

  it('gives back the code of the command, and its processes see a world of their own', async () => {
    expect((await enter(['sh', '-c', 'exit 7'], {})).code).toBe(7);
    const seen = await enter(['sh', '-c', 'ls /proc | grep -c "^[0-9]"; ls /tmp /media/hosts; ip -o -4 address'], {});
    expect(seen.text).toMatch(/^[3-6]\n\/media\/hosts:\n\n\/tmp:\n/u);
    expect(seen.text).toContain('10.213.0.1/16');
    expect(seen.text.match(/inet /gu)).toHaveLength(2);
  });
});
