import { hostname } from 'node:os';
import { systemClock } from '../clock.js';
import type { Vast } from '../vast/vast.js';
import type { Run } from '../workflows/journal.js';
import type { MachineSession } from '../workflows/machine-session.js';
import type { MigratePlan } from '../workflows/migrate/plan.js';
import type { Transport, TransportName } from '../workflows/migrate/transport.js';
import { ColdCopy } from '../workflows/migrate/transports/cold.js';
import { Direct } from '../workflows/migrate/transports/direct.js';
import { PlatformCopy } from '../workflows/migrate/transports/platform.js';
import { Relay } from '../workflows/migrate/transports/relay.js';
import { type MigrateWork, sourceOf } from '../workflows/migrate/work.js';
import { changePower } from '../workflows/power.js';
import { awaitReadiness } from '../workflows/readiness/await-readiness.js';
import type { ForgeContext } from './context.js';
import { directAddress } from './migrate-look.js';
import { type Machines, openPass } from './migrate-machines.js';

interface WorkRequest {
  run: Run;
  machines: Machines<MachineSession | null>;
  events: boolean;
}

/** Wires the workflow to the API, SSH and the terminal. */
export async function workOn(context: ForgeContext, { run, machines, events }: WorkRequest): Promise<MigrateWork> {
  const plan = run.record.plan as MigratePlan;
  const { wishes } = plan;
  const power = await context.power();
  const vast = await context.vast();
  const { source } = machines;
  const both = (): Machines => ({ ...machines, source: sourceOf({ source, plan, run }) });
  const transport = (name: TransportName): Transport =>
    transportOf(context, name, { run: run.id, machines: both(), plan, vast });
  return {
    run,
    plan,
    source,
    destination: machines.destination,
    reporter: await context.stageReporter(),
    clock: context.clock,
    wallClock: systemClock,
    who: hostname(),
    openPass: async (title) => openPass(context, { machines: both(), wishes, events, title }),
    transport: source === null ? new Relay() : transport(plan.via),
    fallback: wishes.via === 'auto' && plan.via !== 'relay' ? new Relay() : null,
    reboot: async () => {
      const row = await changePower(power, 'reboot', machines.destination.instance);
      machines.destination.close();
      if (row !== null) machines.destination.instance = row;
    },
    awaitReady: async () => {
      const goal = { instanceId: machines.destination.id, goal: 'forge' as const, timeoutMs: wishes.timeoutMs };
      await awaitReadiness(await context.readiness(), goal);
    },
    isSourceGone: async () => (await vast.instances.get(plan.source.id)) === null,
    endSource: (action, release) => endSource(context, both().source, { action, release }),
    beginCleanUp: () => context.interruption.beginCleanUp(),
  };
}

async function endSource(
  context: ForgeContext,
  source: MachineSession,
  { action, release }: { action: 'stop' | 'destroy'; release: () => Promise<void> },
): Promise<void> {
  const power = await context.power();
  const row = await power.readInstance(source.id);
  if (row === null || (action === 'stop' && row.intendedStatus === 'stopped')) return;
  await release();
  source.close();
  await changePower(power, action, row);
}

function transportOf(
  context: ForgeContext,
  name: TransportName,
  { run, machines, plan, vast }: { run: string; machines: Machines; plan: MigratePlan; vast: Vast },
): Transport {
  if (name === 'relay') return new Relay();
  if (name === 'api') {
    const platform = {
      copies: vast.copies,
      readInstance: (id: number) => vast.instances.get(id),
      clock: context.clock,
      beginCleanUp: () => context.interruption.beginCleanUp(),
      destinationId: machines.destination.id,
    };
    return plan.source.isStopped ? new ColdCopy(platform) : new PlatformCopy({ ...platform, rest: new Relay() });
  }
  const end = (session: MachineSession) => ({
    session,
    address: () => directAddress(session.instance),
    hostKey: () => context.hostKeys.pinned(String(session.id))?.key ?? null,
  });
  return new Direct({
    run,
    source: end(machines.source),
    destination: end(machines.destination),
    by: plan.passage ?? 'pull',
    // Plans of an older forgectl do not say.
    deflates: plan.deflates === true,
    parallel: plan.wishes.parallel,
    mostBytesPerS: plan.wishes.bwlimit,
  });
}
