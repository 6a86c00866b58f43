import { describe, expect, it } from 'vitest';
import { DEFAULT_TEMPLATE } from '../../src/instance/forge-template.ts';
import { createSilentReporter } from '../../src/ui/reporter-silent.ts';
import type { Instance, Offer, Template } from '../../src/vast/model.ts';
import { findDeadEnd, stateWord } from '../../src/workflows/instance-state.ts';
import { type LaunchWishes, planLaunch } from '../../src/workflows/launch/plan.ts';
import { planDocument } from '../../src/workflows/launch/plan-document.ts';
import { changePower, type PowerDependencies } from '../../src/workflows/power.ts';
import { FakeClock } from '../support/fake-clock.ts';

const offer = {
  id: 5,
  machineId: 9,
  gpuName: 'RTX 4090',
  numGpus: 1,
  gpuRamMb: 24_000,
  diskSpaceGb: 200,
  dphTotal: 0.4,
  storageCostPerGbMonth: 0.146,
  inetDownMbitPerS: 800,
  inetDownCostPerGb: 0.01,
  reliability: 0.99,
  directPortCount: 10,
  verified: true,
  dlperf: 90,
  minBid: 0.1,
} as Offer;
const template = {
  id: 1,
  hashId: 'h'.repeat(32),
  name: 'Forge',
  image: 'vastai/forge',
  tag: 'x',
  env: '-p 7860:7860 -e PROVISIONING_SCRIPT=https://a/b.sh?token=secret -e FORGE_ARGS="--port 17860 --gradio-auth me:pw"',
  onstart: 'entrypoint.sh',
  runtype: 'ssh',
  sshDirect: true,
  jupDirect: false,
  recommendedDiskSpaceGb: 64,
} as Template;
const wishes: LaunchWishes = {
  label: 'l',
  labelIsChosen: true,
  diskGb: null,
  image: null,
  provisioning: null,
  forgeArgs: null,
  env: {},
  bidPerHourUsd: null,
  waitFor: 'forge',
  timeoutMs: 1,
  failOver: { attempts: 3, budgetUsd: null, keepFailed: false, search: null, maxPerHourUsd: null },
  limits: { maxLifetimeMs: null, maxSpendUsd: null, action: 'stop' },
  nonce: 'ab'.repeat(12),
};

describe('the plan of a launch', () => {
  it('takes the template by hash, its disk, and keeps the port of Forge', () => {
    const { request, price } = planLaunch(wishes, { offer, template });
    expect(request).toMatchObject({
      templateHashId: template.hashId,
      diskGb: 64,
      runtype: 'ssh_direct',
    });
    expect(request.onstart).toMatch(/\nentrypoint\.sh$/u);
    expect(request.env['FORGE_ARGS']).toBe('--gradio-auth me:pw --port 17860');
    expect(price.stoppedPerDayUsd).toBeCloseTo((0.146 * 64 * 24) / 730);
  });

  it('says which definition was used when the API has none, and that one boots the image', () => {
    const plan = planLaunch(wishes, { offer, template: null });
    expect(plan.template).toMatchObject({ source: 'built-in', image: DEFAULT_TEMPLATE.image });
    expect(plan.request).toMatchObject({
      image: DEFAULT_TEMPLATE.image,
      onstart: expect.stringMatching(/\nentrypoint\.sh$/u),
    });
    expect(plan.request.env).toMatchObject({
      OPEN_BUTTON_PORT: '1111',
      FORGE_ARGS: '--port 17860',
      '-p 7860:7860': '1',
    });
    expect(plan.request).not.toHaveProperty('templateHashId');
  });

  it('--provisioning none sends the template’s environment without the script, and not its hash', () => {
    const { request } = planLaunch({ ...wishes, provisioning: 'none' }, { offer, template });
    expect(request.env).not.toHaveProperty('PROVISIONING_SCRIPT');
    expect(request).toMatchObject({ image: 'vastai/forge:x' });
    expect(request).not.toHaveProperty('templateHashId');
  });

  it('a bid is a price; without one there is none', () => {
    expect(planLaunch({ ...wishes, bidPerHourUsd: 0.2 }, { offer, template }).request.bidPrice).toBe(0.2);
    expect(planLaunch(wishes, { offer, template }).request).not.toHaveProperty('bidPrice');
  });

  it('refuses a disk that the machine does not have', () => {
    expect(() => planLaunch({ ...wishes, diskGb: 500 }, { offer, template })).toThrow(
      expect.objectContaining({ exit: 5 }),
    );
  });

  it('says how long the start takes', () => {
    const plan = planLaunch(wishes, { offer, template });
    expect(planDocument(plan)['boot_estimate_minutes']).toBe(6.5);
  });

  it('shows names of variables and no value that may be secret', () => {
    const text = JSON.stringify(
      planDocument(planLaunch({ ...wishes, env: { HF_TOKEN: 'hidden-value' } }, { offer, template })),
    );
    for (const secret of ['hidden-value', 'secret', 'me:pw']) expect(text).not.toContain(secret);
    expect(text).toContain('HF_TOKEN');
  });
});

describe('states', () => {
  const row = (part: Partial<Instance>) =>
    ({
      id: 1,
      isBid: false,
      actualStatus: 'loading',
      intendedStatus: 'running',
      curState: 'running',
      nextState: 'running',
      statusMsg: null,
      ...part,
    }) as Instance;

  it.each([
    [{ statusMsg: 'abc: Pulling fs layer, retrying in 5 s, error' }, null],
    [{ statusMsg: 'OCI runtime create failed: unsatisfied condition: cuda>=12.8' }, 'INSTANCE_FATAL_STATUS'],
    [{ actualStatus: 'exited' }, 'INSTANCE_EXITED'],
    [{ actualStatus: 'offline' }, 'INSTANCE_OFFLINE'],
    [{ actualStatus: 'unknown' }, 'INSTANCE_OFFLINE'],
    [{ actualStatus: null }, null],
    [{ actualStatus: 'running' }, null],
    [
      { isBid: true, intendedStatus: 'stopped', curState: 'stopped', nextState: 'stopped', actualStatus: 'exited' },
      'INSTANCE_OUTBID',
    ],
  ])('%j is %s', (part, code) => expect(findDeadEnd(row(part))?.code ?? null).toBe(code));

  it('an interruptible machine that its owner stopped is not told apart from an outbid one by the API; both read "outbid"', () => {
    expect(
      stateWord(
        row({
          isBid: true,
          intendedStatus: 'stopped',
          curState: 'stopped',
          nextState: 'stopped',
          actualStatus: 'exited',
        }),
      ),
    ).toBe('outbid');
    expect(stateWord(row({ actualStatus: 'exited', intendedStatus: 'stopped', curState: 'stopped' }))).toBe('stopped');
  });
});

describe('changes of power are read back', () => {
  const before = {
    id: 7,
    label: 'x',
    isBid: false,
    actualStatus: 'running',
    intendedStatus: 'running',
    curState: 'running',
    nextState: 'running',
    statusMsg: null,
    startDateMs: 1000,
  } as Instance;
  const deps = (rows: (Instance | null)[]): PowerDependencies & { sent: string[] } => {
    const sent: string[] = [];
    return {
      sent,
      request: async (action) => void sent.push(action),
      sweepJobs: async () => {},
      readInstance: async () => rows.shift() ?? null,
      clock: new FakeClock(),
      reporter: createSilentReporter(() => {}),
      signal: new AbortController().signal,
    };
  };

  it('destroyed means that the row is gone, however often it is still there', async () => {
    expect(await changePower(deps([before, before, null]), 'destroy', before)).toBeNull();
  });

  it('a destroy that never takes effect is exit 15', async () => {
    await expect(changePower(deps(Array(100).fill(before)), 'destroy', before)).rejects.toMatchObject({ exit: 15 });
  });

  it('a reboot counts only when the machine was seen down or has a newer start', async () => {
    const work = deps([before, { ...before, actualStatus: 'rebooting' }, before]);
    await changePower(work, 'reboot', before);
    expect(work.sent).toEqual(['reboot']);
    await changePower(deps([{ ...before, startDateMs: 2000 }]), 'reboot', before);
  });

  it('a start that waits for its GPU is told after a while, exit 5', async () => {
    const scheduling = { ...before, actualStatus: 'exited', curState: 'stopped' };
    await expect(changePower(deps(Array(100).fill(scheduling)), 'start', scheduling)).rejects.toMatchObject({
      code: 'GPU_TAKEN',
      exit: 5,
    });
  });

  it('an instance that vanishes while it is stopped is not "stopped"', async () => {
    await expect(changePower(deps([before, null]), 'stop', before)).rejects.toMatchObject({
      code: 'INSTANCE_VANISHED',
      exit: 3,
    });
  });
});
