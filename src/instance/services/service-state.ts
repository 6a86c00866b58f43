import type { Shell } from '../../ssh/shell.js';
import { cleanLines } from '../clean-log.js';
import { layout } from '../layout.js';
import { parseReadiness, reachedRung, readinessScript } from '../readiness.js';
import { onMachine, quote } from '../remote-command.js';
import { cutOff, newMarker, readMarked, wrapScript } from '../remote-script.js';
import { parseStatus, supervisorCommand } from '../supervisor.js';
import { forge } from './forge.js';
import type { ServiceDeclaration } from './service.js';

/** Why a service does not answer yet. */
export interface ServiceState {
  /** What it is at: a rung of the readiness ladder for Forge, supervisor's word for the others. */
  stage: string;
  reason: string;
  /** Clean and without secrets. */
  logTail: string[];
}

const TAIL_LINES = 5;
const LOG_BYTES = 4000;

/** Null when it answers by now. */
export async function readServiceState(
  shell: Shell,
  service: ServiceDeclaration,
  timeoutMs: number,
): Promise<ServiceState | null> {
  return service.name === forge.name ? forgeState(shell, timeoutMs) : programState(shell, service.program, timeoutMs);
}

const NEXT_STAGE = { ssh: 'boot', boot: 'provisioning', provisioning: 'forge' } as const;

async function forgeState(shell: Shell, timeoutMs: number): Promise<ServiceState | null> {
  const snapshot = parseReadiness((await shell.run(readinessScript(), { timeoutMs })).stdout);
  const { rung, reason } = reachedRung(snapshot);
  if (rung === 'forge') return null;
  return { stage: NEXT_STAGE[rung], reason, logTail: snapshot.logTail.slice(-TAIL_LINES) };
}

async function programState(shell: Shell, program: string, timeoutMs: number): Promise<ServiceState> {
  const log = quote([onMachine(`${layout().logs}/${program}.log`)]);
  const skipped = quote([onMachine(`${layout().skipped}/${program}`)]);
  const work = `[ -e ${skipped} ] && echo skipped
${quote(supervisorCommand('status', program))} 2>/dev/null
echo log
tail -c ${LOG_BYTES} ${log} 2>/dev/null | tail -n ${TAIL_LINES + 1}
true`;
  const marker = newMarker();
  const { stdout } = await shell.run(wrapScript(work, marker), { timeoutMs });
  const marked = readMarked(stdout, marker);
  if (marked === null || marked.exitCode === null) throw cutOff();
  const [head = '', log_ = ''] = marked.output.split(/^log$/mu, 2);
  const found = parseStatus(head).programs.find(({ name }) => name === program);
  const logTail = cleanLines(log_).slice(-TAIL_LINES);
  if (/^skipped$/mu.test(head))
    return { stage: 'skipped', reason: `supervisor skips ${program}: /etc/portal.yaml does not name it`, logTail };
  if (found === undefined) return { stage: 'unknown', reason: `supervisor does not know ${program}`, logTail };
  const words = [found.state, found.detail.replace(/\s+/gu, ' ')].filter(Boolean).join(' ');
  return { stage: found.state.toLowerCase(), reason: logTail.at(-1) ?? words, logTail };
}
