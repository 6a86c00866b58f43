import type { ProvisioningRun, ProvisioningStatus } from '../instance/provisioning-state.js';
import { formatDuration } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';

const LINES_SHOWN = 10;

export function statusDocument(instance: Instance, status: ProvisioningStatus): Record<string, unknown> {
  return {
    instance_id: instance.id,
    label: instance.label,
    state: status.state,
    evidence: status.evidence,
    reason: status.reason,
    since: iso(status.sinceMs),
    script: status.script,
    manifest: status.manifest,
    has_provisioner: status.hasProvisioner,
    markers: status.markers,
    last_run: status.lastRun === null ? null : runDocument(status.lastRun),
    log_tail: status.logLines.slice(-LINES_SHOWN),
  };
}

export function statusLines(instance: Instance, status: ProvisioningStatus): string[] {
  const { state, sinceMs, nowMs, reason, lastRun, logLines } = status;
  const since = sinceMs === null ? '' : ` for ${formatDuration(nowMs - sinceMs)}`;
  const lines = logLines.slice(-LINES_SHOWN).map((line) => `  ${cleanLine(line)}`);
  return [
    `State     ${state}${since}${reason === null ? '' : ` (${cleanLine(reason)})`}`,
    `Script    ${cleanLine(status.script ?? 'none')}`,
    ...(status.manifest === null ? [] : [`Manifest  ${cleanLine(status.manifest)}`]),
    `Marks     ${status.markers.join(' ') || 'none'}`,
    ...(lastRun === null ? [] : [`Last run  ${cleanLine(lastRun.source)}: ${runWords(lastRun)}  (${lastRun.id})`]),
    ...(lines.length === 0 ? [] : [`Log       forgectl provision logs ${instance.id}`, ...lines]),
  ];
}

function runWords({ state, exitCode }: ProvisioningRun): string {
  if (state === 'running') return 'running';
  return state === 'lost' ? 'ended without a result' : `ended with ${exitCode}`;
}

function runDocument(run: ProvisioningRun): Record<string, unknown> {
  return {
    id: run.id,
    state: run.state,
    exit_code: run.exitCode,
    source: run.source,
    started_at: iso(run.startedAtMs),
    ended_at: iso(run.endedAtMs),
  };
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
