import { describe, expect, it } from 'vitest';
import { servicesOf } from '../../src/instance/services/machine-services.ts';
import { hasHappened, parseReread } from '../../src/instance/services/service-action.ts';
import { parseServiceLook } from '../../src/instance/services/service-look.ts';
import { type ServiceRow, serviceRows } from '../../src/instance/services/service-rows.ts';
import { readersOf } from '../../src/instance/services/variable-readers.ts';
import { parseStatus } from '../../src/instance/supervisor.ts';

const facts = (pairs: Record<string, string>): string =>
  Object.entries(pairs)
    .map(([key, text]) => `${key}=${Buffer.from(text).toString('base64')}`)
    .join('\n');

const STATUS = [
  'caddy      RUNNING   pid 10, uptime 0:10:00',
  'forge      RUNNING   pid 11, uptime 0:00:05',
  'instance_portal STARTING',
  'jupyter    EXITED    Nov 24 03:09 PM',
  'mine:one   FATAL     Exited too quickly (process log may have details)',
  'tensorboard EXITED   Nov 24 03:09 PM',
].join('\n');

function rowsOf(more: Record<string, string>, isJupyterOfPlatform = false): Record<string, ServiceRow> {
  const listed = ['Forge', 'Instance Portal'].map((name, at) => ({
    name,
    hostname: 'localhost',
    externalPort: 1111 + at,
    internalPort: 11_111 + at,
    openPath: '/',
  }));
  const look = parseServiceLook(facts({ exit: '3', 'status.0': STATUS, ...more }));
  return Object.fromEntries(
    serviceRows(servicesOf(listed, { isJupyterOfPlatform }), look).map((row) => [row.name, row]),
  );
}

describe('the state of a service', () => {
  it('is what answers, not what supervisor says', () => {
    const rows = rowsOf({ 'http.portal': '200', 'http.forge': '200' });
    expect(rows['portal']).toMatchObject({ state: 'running', supervisorState: 'STARTING', answers: true });
    expect(rows['forge'], 'some page, but not its own').toMatchObject({ state: 'starting', answers: false });
    expect(rowsOf({ 'http.forge': '200', forge_page: '1' })['forge']?.state).toBe('running');
    expect(rowsOf({ provisioning: '1' })['forge']?.reason).toBe('waits for provisioning');
    expect(rowsOf({ 'status.1': STATUS.replace('pid 11', 'pid 12') })['forge']?.state).toBe('crashed');
    expect(rowsOf({ 'status.0': STATUS.replace('0:00:05', '2:00:05') })['forge']?.state).toBe('not_answering');
  });

  it('tells skipped, not configured, crashed and run by the platform apart', () => {
    const rows = rowsOf({ skipped: 'tensorboard\n' });
    expect(rows['tensorboard']?.state).toBe('skipped');
    expect(rows['jupyter'], 'portal.yaml does not name it').toMatchObject({
      state: 'not_configured',
      program: 'jupyter',
    });
    expect(rows['syncthing']).toMatchObject({ state: 'not_configured', program: null });
    expect(rows['one']).toMatchObject({ state: 'crashed', program: 'mine:one' });
    expect(rowsOf({}, true)['jupyter']).toMatchObject({ state: 'run_by_platform', port: 8080, scheme: 'https' });
  });

  it('management is what the portal will not stop, by itself, by its own word, or by the variable', () => {
    const isManaged = (more: Record<string, string>) =>
      Object.values(rowsOf(more))
        .filter((row) => row.isManagement)
        .map((row) => row.name)
        .sort();
    expect(isManaged({})).toEqual(['caddy', 'portal']);
    expect(isManaged({ unstoppable: 'forge, one' })).toEqual(['caddy', 'forge', 'one', 'portal']);
    expect(isManaged({ processes: '[{"name":"forge","unstoppable":true},null]' })).toContain('forge');
    expect(isManaged({ processes: '<html>' })).toEqual(['caddy', 'portal']);
  });
});

describe('an action', () => {
  it('has happened when it reads back so', () => {
    const program = (line: string) => parseStatus(line).programs[0] ?? null;
    const running = program('forge RUNNING pid 7, uptime 0:00:01');
    expect(hasHappened('restart', running, 7)).toBe(false);
    expect(hasHappened('restart', running, 6)).toBe(true);
    expect(hasHappened('start', running, null)).toBe(true);
    expect(hasHappened('stop', running, 7)).toBe(false);
    expect(hasHappened('stop', program('forge STOPPED Nov 24 03:09 PM'), 7)).toBe(true);
    expect(hasHappened('start', program('forge BACKOFF Exited too quickly'), null)).toBe(false);
    expect(hasHappened('start', null, null)).toBe(false);
  });

  it('a configuration that cannot be read is a problem, not "nothing has changed"', () => {
    expect(parseReread(facts({ reread: 'No config updates to processes' }))).toEqual({ changes: [], problem: null });
    expect(parseReread(facts({ reread: 'a: available\nb: changed\nc: disappeared' })).changes).toHaveLength(3);
    expect(
      parseReread(facts({ reread: 'ERROR: CANT_REREAD: File contains no section headers' })).problem,
    ).not.toBeNull();
  });

  it('variables are for the programs that read them', () => {
    const all = ['caddy', 'instance_portal', 'forge', 'jupyter', 'tunnel_manager'];
    expect(readersOf(['FORGE_ARGS'], all)).toEqual(['forge']);
    expect(readersOf(['WEB_PASSWORD'], all)).toEqual(['caddy', 'instance_portal']);
    expect(readersOf(['HF_TOKEN'], all)).toEqual(['forge', 'jupyter']);
    expect(readersOf(['PROVISIONING_SCRIPT'], all)).toEqual([]);
  });
});
