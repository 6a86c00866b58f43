import { describe, expect, it } from 'vitest';
import type { Instance, Volume } from '../../src/vast/model.ts';
import { type AuditFacts, findWaste, totalPerHourUsd } from '../../src/workflows/audit.ts';
import type { RunRecord } from '../../src/workflows/journal.ts';

const HOUR_MS = 3_600_000;
const NOW = 1_800_000_000_000;

const machine = (more: Partial<Instance>): Instance =>
  ({
    id: 1,
    label: 'mine',
    actualStatus: 'running',
    intendedStatus: 'running',
    curState: 'running',
    nextState: 'running',
    statusMsg: null,
    dphTotal: 0.5,
    storageCostPerGbMonth: 0.2,
    diskSpaceGb: 73,
    isBid: false,
    startDateMs: NOW - 5 * HOUR_MS,
    endDateMs: NOW + 100 * HOUR_MS,
    ...more,
  }) as Instance;
const stopped = { actualStatus: 'exited', intendedStatus: 'stopped', curState: 'stopped', nextState: 'stopped' };
const facts = (more: Partial<AuditFacts>): AuditFacts => ({
  instances: [],
  volumes: [],
  cutOff: [],
  inWork: [],
  stoppedSinceMs: () => null,
  nowMs: NOW,
  stoppedForMs: 24 * HOUR_MS,
  ...more,
});
const run = { id: 'launch-1', kind: 'launch' } as RunRecord;

describe('an audit', () => {
  it('has nothing to say of a machine that runs, has a label and a contract', () => {
    expect(findWaste(facts({ instances: [machine({})] }))).toEqual([]);
  });

  it.each([
    ['unlabelled', { label: null }, 0.5],
    ['ended', { endDateMs: NOW - 1 }, 0.5],
    ['failed', { actualStatus: 'exited' }, 0.02],
    ['failed', { actualStatus: 'loading', statusMsg: 'OCI runtime create failed: cuda>=12.8' }, 0.02],
    ['stuck', { actualStatus: 'loading' }, 0.02],
    ['outbid', { ...stopped, isBid: true }, 0.02],
    ['stopped', { ...stopped, startDateMs: NOW - 60 * HOUR_MS }, 0.02],
  ])('finds what is %s', (kind, more, perHourUsd) => {
    const [finding, ...others] = findWaste(facts({ instances: [machine(more as Partial<Instance>)] }));
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ kind, subject: { instanceId: 1 }, isSafe: false });
    expect(finding?.perHourUsd).toBeCloseTo(perHourUsd, 5);
  });

  it('leaves a pause alone, and counts from when forgectl stopped it', () => {
    const instances = [machine({ ...stopped, startDateMs: NOW - 60 * HOUR_MS })];
    expect(findWaste(facts({ instances, stoppedSinceMs: () => NOW - HOUR_MS }))).toEqual([]);
    const [finding] = findWaste(facts({ instances, stoppedSinceMs: () => NOW - 30 * HOUR_MS }));
    expect(finding?.reason).toBe('it is stopped for 30 h; its disk costs $0.48/day');
  });

  it('takes an interruptible machine that forgectl has stopped for stopped, not for outbid', () => {
    const instances = [machine({ ...stopped, isBid: true })];
    expect(findWaste(facts({ instances })).map(({ kind }) => kind)).toEqual(['outbid']);
    expect(findWaste(facts({ instances, stoppedSinceMs: () => NOW - HOUR_MS }))).toEqual([]);
    const [finding] = findWaste(facts({ instances, stoppedSinceMs: () => NOW - 30 * HOUR_MS }));
    expect(finding?.kind).toBe('stopped');
  });

  it('counts the machine of a run that was cut off once, by its contract or by its label', () => {
    const instances = [
      machine({ id: 7, label: 'forge-a', actualStatus: 'loading' }),
      machine({ id: 8, label: 'other' }),
    ];
    const byLabel = findWaste(facts({ instances, cutOff: [{ run, instanceIds: [], label: 'forge-a' }] }));
    const byId = findWaste(facts({ instances, cutOff: [{ run, instanceIds: [7], label: null }] }));
    for (const findings of [byLabel, byId]) {
      expect(findings).toHaveLength(1);
      expect(findings[0]).toMatchObject({ kind: 'unfinished', subject: { run: 'launch-1' }, isSafe: true });
      expect(findings[0]?.reason).toContain('instance 7');
    }
  });

  it('leaves what another forgectl works on at this moment alone', () => {
    const instances = [machine({ id: 7, label: null, actualStatus: 'exited' })];
    expect(findWaste(facts({ instances, inWork: [{ instanceIds: [7], label: null }] }))).toEqual([]);
  });

  it('finds volumes that nothing uses, also when their instance is gone', () => {
    const volume = { id: 3, label: 'models', diskSpaceGb: 730, storageCostPerGbMonth: 0.1 } as Volume;
    const volumes = [
      { ...volume, instanceIds: [] },
      { ...volume, id: 4, instanceIds: [99] },
      { ...volume, id: 5, instanceIds: [1] },
    ];
    const findings = findWaste(facts({ volumes, instances: [machine({})] }));
    expect(findings.map(({ subject }) => subject)).toEqual([{ volumeId: 3 }, { volumeId: 4 }]);
    expect(totalPerHourUsd(findings)).toBeCloseTo(0.2, 5);
  });
});
