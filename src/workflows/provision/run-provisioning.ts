import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { EXIT, ForgeError, isInterruption } from '../../errors.js';
import { cleanLines } from '../../instance/clean-log.js';
import { endJobScript } from '../../instance/detached-job.js';
import {
  markEndedScript,
  type ProvisioningWork,
  placeProvisioningScript,
  provisioningWork,
} from '../../instance/provisioning-run.js';
import {
  type ProvisioningStatus,
  parseProvisioningState,
  provisioningStateScript,
} from '../../instance/provisioning-state.js';
import { createRedactor } from '../../secrets/known-values.js';
import { rememberText, rememberVariables } from '../../secrets/sent.js';
import type { Reporter } from '../../ui/reporter.js';
import { type DetachedJob, runDetached, startDetached } from '../detached-job.js';
import type { MachineSession } from '../machine-session.js';

export interface ProvisioningRequest {
  kind: ProvisioningWork['kind'];
  source: ProvisioningWork['source'];
  name: string;
  env: Readonly<Record<string, string>>;
  limitMs: number;
  /** Start it, and do not wait. */
  detach: boolean;
  /** An interruption ends the script too, instead of leaving it at work. */
  endsWithUs: boolean;
}

export interface ProvisioningEnd {
  run: string;
  /** Null: it goes on. */
  exitCode: number | null;
  logLines: string[];
}

interface Dependencies {
  session: MachineSession;
  reporter: Reporter;
  clock: Clock;
  beginCleanUp(): void;
}

export async function readProvisioning(session: MachineSession): Promise<ProvisioningStatus> {
  return parseProvisioningState((await session.run(provisioningStateScript())).output);
}

/** Runs it on the machine as the boot would, detached; watches it unless that was not wanted. */
export async function runProvisioning(deps: Dependencies, request: ProvisioningRequest): Promise<ProvisioningEnd> {
  const { session } = deps;
  const work: ProvisioningWork = { ...request, id: `provision-${randomBytes(4).toString('hex')}` };
  rememberVariables(Object.entries(request.env));
  rememberText('text' in request.source ? request.source.text : request.source.url);
  await place(session, work);
  const job: DetachedJob = {
    id: work.id,
    work: provisioningWork(work),
    env: request.env,
    what: request.name,
    limitMs: request.limitMs,
  };
  if (!request.detach) return watch(deps, request, job);
  await startDetached(session, job);
  return { run: work.id, exitCode: null, logLines: [] };
}

async function watch(deps: Dependencies, request: ProvisioningRequest, job: DetachedJob): Promise<ProvisioningEnd> {
  const { session, reporter, clock } = deps;
  // What was given to the script as a variable is not shown when the script prints it.
  const clean = (text: string): string[] => cleanLines(text).map(createRedactor(Object.values(request.env)));
  const stage = reporter.stage('provision', `Running ${request.name}`);
  const onLog = (text: string): void => {
    const line = clean(text).at(-1);
    if (line !== undefined) stage.detail(line);
  };
  try {
    const { exitCode, tail } = await runDetached(session, clock, { ...job, onLog });
    if (exitCode === 0) stage.done(`${request.name} is done`);
    else stage.failed(`${request.name} ended with ${exitCode}`);
    return { run: job.id, exitCode, logLines: clean(tail) };
  } catch (error) {
    stage.failed();
    throw isInterruption(error) ? await interrupted(deps, request, job.id, error) : error;
  }
}

/** The script goes on; or it is ended, and that is proved. */
async function interrupted(
  { session, beginCleanUp }: Dependencies,
  request: ProvisioningRequest,
  id: string,
  error: ForgeError,
): Promise<ForgeError> {
  const about = { code: error.code, exit: error.exit, cause: error };
  const details = { instance_id: session.id, run: id };
  if (!request.endsWithUs) {
    return new ForgeError(`${error.message} ${request.name} goes on by itself on instance ${session.id}.`, {
      ...about,
      hint: `forgectl provision status ${session.id}   how it stands\nforgectl provision logs ${session.id} -f   what it prints`,
      details: { ...details, still_running: true },
    });
  }
  beginCleanUp();
  const { exitCode } = await session.run(`(${endJobScript(id)}) || exit 1\n${markEndedScript(id)}`);
  const ended = exitCode === 0 ? 'was ended too' : 'could not be ended';
  return new ForgeError(`${error.message} ${request.name} ${ended}.`, {
    ...about,
    hint: `forgectl provision status ${session.id}`,
    details: { ...details, still_running: exitCode !== 0 },
  });
}

async function place(session: MachineSession, work: ProvisioningWork): Promise<void> {
  const { exitCode, stderr } = await session.run(placeProvisioningScript(work));
  if (exitCode === 0) return;
  const details = { instance_id: session.id };
  if (exitCode === 9) {
    throw new ForgeError(`Instance ${session.id} is being provisioned already.`, {
      code: 'PROVISIONING_RUNS',
      exit: EXIT.conflict,
      hint: `Wait for it: forgectl wait ${session.id} --for provisioning\nforgectl provision logs ${session.id} -f   what it does`,
      details,
    });
  }
  if (exitCode === 3) {
    throw new ForgeError(`Instance ${session.id} cannot run a manifest: its image has no provisioner.`, {
      code: 'NO_PROVISIONER',
      exit: EXIT.notReady,
      hint: 'Older images take scripts only: forgectl provision init without --manifest writes one.',
      details,
    });
  }
  throw new ForgeError(`${work.name} could not be put on the machine.`, {
    code: /no space left/iu.test(stderr) ? 'DISK_FULL' : 'REMOTE_STEP_FAILED',
    exit: EXIT.notReady,
    hint: cleanLines(stderr).slice(-3).join('\n') || null,
    details,
  });
}
