import { PROGRAMS } from '../layout.js';
import type { Program } from '../supervisor.js';
import { SERVICES } from './catalog.js';
import { forge } from './forge.js';
import { platformJupyter } from './jupyter.js';
import type { MachineServices } from './machine-services.js';
import type { ServiceDeclaration } from './service.js';
import type { ServiceLook } from './service-look.js';

/** One word for each; how it is known is the row's reason. */
type ServiceStateWord =
  | 'running'
  | 'starting'
  | 'not_answering'
  | 'stopping'
  | 'stopped'
  | 'crashed'
  | 'skipped'
  | 'not_configured'
  | 'run_by_platform'
  | 'unknown';

export interface ServiceRow {
  /** As it is named on the line. */
  name: string;
  /** supervisor's name, with its group when it has one; null when supervisor does not know it. */
  program: string | null;
  state: ServiceStateWord;
  /** supervisor's own word; null when it has none. */
  supervisorState: Program['state'] | null;
  pid: number | null;
  uptimeSeconds: number | null;
  port: number | null;
  scheme: 'http' | 'https' | null;
  /** Null for what has no port. */
  answers: boolean | null;
  httpStatus: number | null;
  reason: string | null;
  /** What keeps the machine reachable: not stopped without --force. */
  isManagement: boolean;
}

/** The portal refuses to stop these (portal-aio: portal.py). */
const MANAGEMENT: readonly string[] = [PROGRAMS.caddy, PROGRAMS.portal, PROGRAMS.tunnelManager];

/** After so long without an answer it is not called starting any more, s. A first start of Forge loads several GB. */
const PATIENCE_S = { forge: 15 * 60, other: 60 };

/** Everything that supervisor knows, that portal.yaml lists or that the image has, each once. */
export function serviceRows({ services, isFromMachine }: MachineServices, look: ServiceLook): ServiceRow[] {
  const declared = [...services, ...SERVICES.filter((known) => !services.some(({ name }) => name === known.name))];
  const listed = new Set(services.map(({ name }) => name));
  const rows = declared.map((service) => {
    const program = look.programs.find(({ name }) => name === service.program) ?? null;
    return rowOf(service, program, look, { isListed: listed.has(service.name), isFromMachine });
  });
  const others = look.programs.filter(({ name }) => !declared.some((service) => service.program === name));
  return [...rows, ...others.map((program) => rowOf(null, program, look, { isListed: true, isFromMachine }))];
}

function rowOf(
  service: ServiceDeclaration | null,
  program: Program | null,
  look: ServiceLook,
  place: { isListed: boolean; isFromMachine: boolean },
): ServiceRow {
  const httpStatus = service === null ? null : (look.httpStatus.get(service.name) ?? 0);
  const answers = service === null ? null : doesAnswer(service, httpStatus ?? 0, look);
  const { state, reason } = judge(service, program, look, { ...place, answers });
  const isUp = program?.pid !== null && program?.pid !== undefined;
  return {
    name: service?.name ?? program?.name ?? '',
    program: program === null ? null : fullName(program),
    state,
    supervisorState: program?.state ?? null,
    pid: isUp ? program.pid : null,
    uptimeSeconds: isUp ? program.uptimeSeconds : null,
    port: service?.internalPort ?? null,
    scheme: service?.scheme ?? null,
    answers,
    httpStatus: httpStatus === 0 ? null : httpStatus,
    reason,
    isManagement: program !== null && (MANAGEMENT.includes(program.name) || look.unstoppable.has(program.name)),
  };
}

/** Any page but one of a gateway whose service is down; of Forge only its own page. */
function doesAnswer(service: ServiceDeclaration, status: number, look: ServiceLook): boolean {
  if (service.name === forge.name) return status === 200 && look.isForgePage;
  return status >= 100 && ![502, 503, 504].includes(status);
}

interface Circumstances {
  isListed: boolean;
  isFromMachine: boolean;
  answers: boolean | null;
}

interface Verdict {
  state: ServiceStateWord;
  reason: string | null;
}

function judge(
  service: ServiceDeclaration | null,
  program: Program | null,
  look: ServiceLook,
  { isListed, isFromMachine, answers }: Circumstances,
): Verdict {
  if (service === platformJupyter) return { state: 'run_by_platform', reason: 'not by supervisor' };
  if (program === null)
    return {
      state: 'not_configured',
      reason: isListed && isFromMachine ? 'in portal.yaml, unknown to supervisor' : 'unknown to supervisor',
    };
  if (look.skipped.has(program.name) && answers !== true)
    return { state: 'skipped', reason: '/etc/portal.yaml does not name it' };
  const verdict = byState(service, program, look, answers);
  return verdict.state === 'stopped' && service !== null && !isListed && isFromMachine
    ? { state: 'not_configured', reason: '/etc/portal.yaml does not name it' }
    : verdict;
}

function byState(
  service: ServiceDeclaration | null,
  program: Program,
  look: ServiceLook,
  answers: boolean | null,
): Verdict {
  const detail = program.detail.replace(/\s+/gu, ' ') || null;
  switch (program.state) {
    case 'RUNNING':
      return whileRunning(service, program, look, answers);
    // It is called so for the first seconds, whatever it does.
    case 'STARTING':
      return { state: answers === true ? 'running' : 'starting', reason: null };
    case 'STOPPING':
      return { state: 'stopping', reason: null };
    case 'STOPPED':
      return { state: 'stopped', reason: detail };
    case 'EXITED':
      return { state: 'stopped', reason: ['ended by itself', detail].filter(Boolean).join(', ') };
    case 'BACKOFF':
    case 'FATAL':
      return { state: 'crashed', reason: detail };
    default:
      return { state: 'unknown', reason: detail };
  }
}

/** supervisor's RUNNING is a process, not a service. */
function whileRunning(
  service: ServiceDeclaration | null,
  program: Program,
  look: ServiceLook,
  answers: boolean | null,
): Verdict {
  if (answers === true) return { state: 'running', reason: null };
  if (look.restarting.has(program.name)) return { state: 'crashed', reason: 'dies and is started again and again' };
  if (answers === null || service === null) return { state: 'running', reason: null };
  const isForge = service.name === forge.name;
  if (isForge && look.isProvisioning) return { state: 'starting', reason: 'waits for provisioning' };
  const silent = `no answer on port ${service.internalPort}`;
  const patience = isForge ? PATIENCE_S.forge : PATIENCE_S.other;
  return { state: (program.uptimeSeconds ?? 0) < patience ? 'starting' : 'not_answering', reason: silent };
}

/** As supervisorctl takes it. */
function fullName({ group, name }: Program): string {
  return group === null ? name : `${group}:${name}`;
}
