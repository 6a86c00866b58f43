import type { ServiceAction } from '../instance/services/service-action.js';
import type { ServiceRow } from '../instance/services/service-rows.js';
import { formatDuration } from '../ui/format.js';
import type { TableColumn } from '../ui/table.js';
import type { ActionResult } from '../workflows/services/act.js';

export function serviceDocument(row: ServiceRow): Record<string, unknown> {
  return {
    name: row.name,
    program: row.program,
    state: row.state,
    supervisor_state: row.supervisorState,
    pid: row.pid,
    uptime_s: row.uptimeSeconds,
    port: row.port,
    scheme: row.scheme,
    answers: row.answers,
    http_status: row.httpStatus,
    reason: row.reason,
    management: row.isManagement,
  };
}

export const SERVICE_COLUMNS: TableColumn<ServiceRow>[] = [
  { header: 'SERVICE', value: ({ name }) => name },
  { header: 'STATE', value: ({ state }) => stateWords(state) },
  { header: 'PID', value: ({ pid }) => String(pid ?? '-'), align: 'right', priority: 2 },
  { header: 'UPTIME', value: (row) => uptime(row), align: 'right', priority: 1 },
  { header: 'PORT', value: ({ port }) => String(port ?? '-'), align: 'right' },
  { header: 'ANSWERS', value: ({ answers, httpStatus }) => answerWords(answers, httpStatus) },
  { header: 'PROGRAM', value: ({ program }) => program ?? '-', priority: 4 },
  { header: 'WHY', value: ({ reason }) => reason ?? '', priority: 3 },
];

export function stateWords(state: ServiceRow['state']): string {
  return state.replaceAll('_', ' ');
}

export function answerWords(answers: boolean | null, httpStatus: number | null): string {
  if (answers === null) return '-';
  const status = httpStatus === null ? '' : ` (${httpStatus})`;
  return answers ? `yes${status}` : `no${status}`;
}

export function uptime({ uptimeSeconds }: ServiceRow): string {
  return uptimeSeconds === null ? '-' : formatDuration(uptimeSeconds * 1000);
}

export function resultDocument({
  row,
  result,
  pidAfter,
  supervisorState,
  error,
}: ActionResult): Record<string, unknown> {
  return {
    name: row.name,
    program: row.program,
    result,
    supervisor_state: supervisorState,
    pid_before: row.pid,
    pid: pidAfter,
    error: error === null ? null : { code: error.code, message: error.message, hint: error.hint, exit: error.exit },
  };
}

const DONE = { start: 'started', stop: 'stopped', restart: 'restarted' } as const;
const ALREADY = { start: 'runs already', stop: 'was not running', restart: 'restarted' } as const;

/** `waited`: it was waited for, so it answers. */
export function resultLine(action: ServiceAction, { row, result, pidAfter }: ActionResult, waited: boolean): string {
  if (result === 'failed') return `${row.name}: failed`;
  const word = result === 'already' ? ALREADY[action] : DONE[action];
  const answer = waited && row.port !== null ? `, and answers on port ${row.port}` : '';
  return `${row.name}: ${word}${pidAfter === null ? '' : ` (pid ${pidAfter})`}${answer}`;
}
