import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Machine } from '../../src/sandbox/machine/contract.ts';
import { openMachine } from '../../src/sandbox/machine/machine.ts';
import { LabHost } from './host.ts';
import { describeLab } from './lab-suite.ts';
import { type SshAddress, SshUser } from './ssh-client.ts';

const BROKEN = '[program:broken]\\ncommand=/bin/false\\nstartsecs=1\\nstartretries=1\\n';
const SLOW = '[program:slow]\\ncommand=/bin/sleep 1000\\nstartsecs=30\\n';
const conf = (name: string, text: string): string =>
  `printf '${text}' >"$FORGECTL_ROOT/etc/supervisor/conf.d/${name}.conf"`;
const until = (name: string, state: string): string =>
  `for n in $(seq 200); do supervisorctl status ${name} | grep -q ${state} && break; sleep 0.4; done`;

/** What is said to a supervisor, one after the other, by people and by forgectl. */
const SAID = [
  'supervisorctl status',
  'supervisorctl status nothing',
  'supervisorctl status forge nothing cron',
  'supervisorctl start forge',
  'supervisorctl start nothing',
  'supervisorctl stop nothing',
  'supervisorctl restart nothing',
  'supervisorctl stop cron',
  'supervisorctl stop cron',
  'supervisorctl status cron | sed "s/   [A-Z][a-z][a-z] .*/   WHEN/"',
  'supervisorctl restart cron',
  'supervisorctl stop cron forge',
  'supervisorctl status cron forge >/dev/null',
  'supervisorctl start cron forge',
  'supervisorctl reread',
  'supervisorctl update',
  conf('broken', BROKEN),
  'supervisorctl reread',
  'supervisorctl update',
  until('broken', 'FATAL'),
  'supervisorctl status broken',
  'supervisorctl start broken',
  conf('broken', BROKEN.replace('false', 'true')),
  'supervisorctl reread',
  'rm "$FORGECTL_ROOT/etc/supervisor/conf.d/broken.conf"',
  'supervisorctl reread',
  'supervisorctl update',
  'supervisorctl status broken',
  conf('slow', SLOW),
  'supervisorctl update',
  'supervisorctl status slow',
  conf('slow', SLOW.replace('1000', '2000')),
  'supervisorctl update',
  'rm "$FORGECTL_ROOT/etc/supervisor/conf.d/slow.conf"',
  'supervisorctl update',
  'supervisorctl nonsense',
  'supervisorctl version',
  'supervisorctl pid nothing',
  'supervisorctl stop all',
  'supervisorctl status >/dev/null',
  'supervisorctl start cron jupyter',
  'supervisorctl reload',
  until('forge', 'RUNNING'),
  'supervisorctl shutdown',
  'for n in $(seq 100); do [ -S "$FORGECTL_ROOT/run/supervisor.sock" ] || break; sleep 0.1; done',
  'supervisorctl status',
  'supervisorctl start forge',
];

describeLab('the supervisor of the sandbox beside the real one', () => {
  const directory = mkdtempSync(join(tmpdir(), 'imitation '));
  let user: SshUser;
  let real: LabHost;
  let imitated: Machine;
  let imitation: SshAddress;

  beforeAll(async () => {
    user = new SshUser();
    imitated = openMachine(
      {
        id: 5,
        directory: join(directory, '5'),
        image: 'vastai/forge:test',
        runtype: 'ssh_direct',
        env: {
          PORTAL_CONFIG:
            'localhost:1111:11111:/:Instance Portal|localhost:7860:17860:/:Forge|localhost:8080:18080:/:Jupyter|localhost:8384:18384:/:Syncthing',
        },
        ports: [],
        onstart: 'entrypoint.sh',
        gpu: { name: 'RTX 4090', count: 1, ramMb: 24_000, driver: '570.1' },
        diskGb: 20,
        authorizedKeys: [user.publicKey],
        jupyterToken: 'token',
        instanceApiKey: 'key',
        sandboxUrl: 'http://127.0.0.1:9',
        timeScale: 20,
      },
      () => {},
    );
    await imitated.create();
    const [{ host, sshPort }] = await Promise.all([
      imitated.start(),
      LabHost.boot({ keys: [user.publicKey] }).then((booted) => {
        real = booted;
      }),
    ]);
    imitation = { address: host, sshPort };
  });
  afterAll(async () => {
    await Promise.all([imitated.destroy(), real.remove()]);
    rmSync(directory, { recursive: true, force: true });
    user.remove();
  });

  /** All on one connection: a line for each, with its code and what it printed. */
  async function hold(at: SshAddress): Promise<string[]> {
    // TensorBoard is not in the portal, and ends by itself; while it runs, another may still be starting.
    const settled =
      '[ "$(supervisorctl status | grep -oE "RUNNING|EXITED" | sort | uniq -c | xargs)" = "1 EXITED 7 RUNNING" ]';
    const ready = `for n in $(seq 300); do ${settled} && break; sleep 0.4; done`;
    const asked = SAID.map(
      (command) => `printf '%s\\n' ${quoted(`$ ${command}`)}; { ${command}; } 2>&1; echo "= $?"; echo ====`,
    );
    const ran = await user.ssh(at, ['bash --noprofile --norc -s'], { input: [ready, ...asked, ''].join('\n') });
    return ran.stdout.split('====\n').map(comparable);
  }

  it('says the same words and leaves with the same codes', async () => {
    const [one, other] = await Promise.all([hold(imitation), hold(real)]);
    expect(one).toEqual(other);
  });
});

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Without what differs from moment to moment. The order of several programs is nobody's promise. */
function comparable(text: string): string {
  const [command = '', ...lines] = text
    .replace(/pid \d+, uptime \d+:\d\d:\d\d/gu, 'pid N, uptime T')
    .replace(/[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M/gu, 'WHEN')
    .split('\n');
  return [command, ...lines.filter((line) => line !== '').sort()].join('\n');
}
