import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

describeLab('ssh, exec and ssh-config on machines of the lab', () => {
  let home: LabHome;
  let id = 0;
  const machine = () => home.machines.of(id);
  const shellOn = (command: string) => machine().host.exec(command);
  const until = (command: string) => machine().host.waitFor(command);
  /** OpenSSH's programs, with what ssh-config has written. */
  const client = async (
    program: string,
    words: string[],
  ): Promise<{ code: number | null; out: string; err: string }> => {
    const child = spawn(program, words, { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ran = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      ran.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      ran.err += text;
    });
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...ran })));
  };

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 5 } });
    const ran = await home.run(['launch', '--best', '--yes', '--label', 'web', '--wait-for', 'boot', '--json']);
    expect(ran.code, ran.stderr).toBe(0);
    id = (JSON.parse(ran.stdout) as { id: number }).id;
  });
  afterAll(() => home.remove());

  it('exec: runs as services run, with separate streams and the exact code', async () => {
    const script = 'command -v python; echo "$CONTAINER_ID|$PWD|$FORGE_ARGS"; echo err >&2; exit 41';
    expect(await home.run(['exec', '--', 'bash', '-c', script])).toMatchObject({
      code: 41,
      stdout: `/venv/main/bin/python\n${id}|/workspace|--port 17860\n`,
      stderr: 'err\n',
    });
    expect((await home.run(['exec', '--raw', '--', 'echo "<$WORKSPACE>$PWD"'])).stdout).toMatch(/^<.*>\/root\n$/u);
    expect((await home.run(['exec', '--', 'kill -KILL $$'])).code).toBe(137);
  });

  it('exec: carries bytes as they are', async () => {
    const bytes = randomBytes(8 * 1024 * 1024);
    const child = home.start(['exec', '--', 'cat']);
    const hash = createHash('sha256');
    child.stdout.on('data', (chunk: Buffer) => hash.update(chunk));
    child.stdin.end(bytes);
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('exec: signals reach root’s commands and what they started, also those of a reader that has gone', async () => {
    const script = '(exec -a fctl-child sleep 300) & echo started; wait';
    const ran = await home.run(['exec', '--', 'bash', '-c', script], {
      onStdout: (text, kill) => text.includes('started') && kill('SIGINT'),
    });
    expect(ran.code).toBe(130);
    await until('! pgrep -f [f]ctl-child');
    const heedless = `trap '' PIPE; echo first; while sleep 0.1; do echo more 2>/dev/null; done; : fctl-pipe`;
    const piped = `${home.shellWords} exec -- bash -c "$1" fctl-pipe | head -n 1`;
    expect((await client('bash', ['-c', piped, 'bash', heedless])).out).toBe('first\n');
    await until('! pgrep -f [f]ctl-pipe');
    const late = await home.run(['exec', '--timeout', '0.5', '--', 'bash', '-c', 'exec -a fctl-late sleep 300']);
    expect(late.code).toBe(7);
    await until('! pgrep -f [f]ctl-late');
  });

  it('ssh: lands in the image’s tmux, which is there again after a line that broke', async () => {
    const mark = join(home.directory, 'broken');
    const going = home.terminal(
      ['ssh'],
      [
        { wait: '# ' },
        { send: 'echo "<$TERM $(tput cols)>"; KEPT=still\r' },
        { wait: '<tmux-256color 99>' },
        { resize: [20, 70] },
        // tmux takes its time over a new size.
        { send: 'until [ "$(tput cols)" = 70 ]; do sleep 0.1; done; echo "<$(tput cols)>"\r' },
        { wait: '<70>' },
        { run: `touch '${mark}'` },
      ],
    );
    await expect.poll(() => existsSync(mark)).toBe(true);
    expect((await shellOn('tmux ls')).stdout).toContain('ssh_tmux');
    machine().line.reset();
    const broken = await going;
    expect(broken).toMatchObject({ code: 255, isRestored: true });
    expect(broken.text).toMatch(/was lost\.\s+What ran in tmux there goes on: forgectl ssh \d+/u);
    // tmux had switched the screen; the end in the middle switches it back.
    expect(broken.text.lastIndexOf('\u001b[?1049l')).toBeGreaterThan(broken.text.lastIndexOf('\u001b[?1049h'));
    const again = await home.terminal(['ssh'], [{ send: 'echo "<$KEPT>"\r' }, { wait: '<still>' }, { send: 'exit\r' }]);
    expect(again).toMatchObject({ code: 0, isRestored: true });
    expect((await machine().host.execAnyway(['tmux', 'ls'])).stdout).toBe('');
  });

  it('ssh --no-tmux: a login shell outside of it; a line that is dead is left with ~.', async () => {
    const mark = join(home.directory, 'dead');
    const going = home.terminal(
      ['ssh', '--no-tmux'],
      [
        { wait: '# ' },
        { send: '[ -v TMUX ] || echo no""tmux $WORKSPACE; tmux ls\r' },
        { wait: 'notmux /workspace' },
        { run: `touch '${mark}'; sleep 0.5` },
        { send: '\r~.' },
      ],
    );
    await expect.poll(() => existsSync(mark)).toBe(true);
    machine().line.stall();
    expect(await going).toMatchObject({ code: 255, isRestored: true });
    machine().line.resume();
    expect((await shellOn('ls -A /root')).stdout).not.toContain('.no_auto_tmux');
  });

  it('exec --tty: a terminal of OpenSSH, and its Ctrl-C', async () => {
    const seen = await home.terminal(
      ['exec', '--tty', '--', 'bash', '-c', 'stty size; exec -a fctl-tty sleep 300'],
      [{ wait: '33 99' }, { send: '\u0003' }],
    );
    expect(seen).toMatchObject({ code: 130, isRestored: true });
    await until('! pgrep -f [f]ctl-tty');
  });

  it('ssh-config: ssh, scp and rsync reach it by name, also at another address', async () => {
    const ssh = join(home.directory, '.ssh');
    mkdirSync(ssh, { recursive: true });
    expect((await home.run(['ssh-config', '--write'])).code).toBe(0);
    const config = join(ssh, 'config');
    expect(await client('ssh', ['-F', config, 'web', 'hostname; echo err >&2; exit 3'])).toMatchObject({
      code: 3,
      err: 'err\n',
    });
    const file = join(home.directory, 'a file');
    writeFileSync(file, randomBytes(300_000));
    expect(await client('scp', ['-q', '-F', config, file, 'web:/workspace/copied'])).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    const words = ['-a', '-e', `ssh -F '${config}'`, 'web:/workspace/copied', `${home.directory}/back`];
    expect(await client('rsync', words)).toEqual({ code: 0, out: '', err: '' });
    expect(readFileSync(join(home.directory, 'back')).equals(readFileSync(file))).toBe(true);
    await machine().line.refuse();
    const meanwhile = await client('ssh', ['-F', config, 'web', 'echo there']);
    // The direct line refuses: the provider's proxy is the other way to the same machine.
    expect(meanwhile).toMatchObject({ code: 0, out: 'there\n' });
  });
});
