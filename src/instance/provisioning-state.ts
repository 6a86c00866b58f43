import { redactAddress, redactSecrets } from '../secrets/redact.js';
import { cleanLines } from './clean-log.js';
import { Facts, SAY_FACTS } from './facts.js';
import { REMOTE } from './layout.js';

type ProvisioningState = 'none' | 'running' | 'complete' | 'failed' | 'stopped';

/** A run that forgectl has started on the machine. */
export interface ProvisioningRun {
  id: string;
  state: 'running' | 'done' | 'lost';
  exitCode: number | null;
  /** What was run: a name of a file, or an address. */
  source: string;
  startedAtMs: number;
  endedAtMs: number | null;
}

/** How far provisioning is, and how that is known. */
export interface ProvisioningStatus {
  state: ProvisioningState;
  /** boot: marks of the image. run: forgectl's own, which was later. absence: older images leave no mark when it is done. */
  evidence: 'boot' | 'run' | 'absence';
  sinceMs: number | null;
  /** Why, in words, where the state alone does not tell. */
  reason: string | null;
  script: string | null;
  manifest: string | null;
  /** The image's newer provisioner, which takes manifests. */
  hasProvisioner: boolean;
  markers: string[];
  lastRun: ProvisioningRun | null;
  logLines: string[];
  nowMs: number;
}

/** Where forgectl keeps what it runs. */
export const RUNS_PLACE = '$ROOT/var/lib/forgectl/provision';
const JOBS_PLACE = '$ROOT/var/lib/forgectl/jobs';

const MARKERS = {
  provisioning: REMOTE.provisioning,
  provisioning_complete: REMOTE.provisioningComplete,
  provisioning_failed: REMOTE.provisioningFailed,
  provisioner_stopped: REMOTE.provisionerStopped,
} as const;

const TAIL_BYTES = 16 * 1024;

export function provisioningStateScript(): string {
  const markers = Object.entries(MARKERS).map(
    ([name, path]) => `[ -e "${path}" ] && put marker.${name} "$(date -r "${path}" +%s)"`,
  );
  return `${SAY_FACTS}
put now "$(date +%s)"
${markers.join('\n')}
[ -e "$ROOT/.provisioner_state" ] && put state_file 1
command -v provisioner >/dev/null 2>&1 && put tool 1
[ -n "$PROVISIONING_SCRIPT" ] && put script "$PROVISIONING_SCRIPT"
[ -n "$PROVISIONING_MANIFEST" ] && put manifest "$PROVISIONING_MANIFEST"
command -v supervisorctl >/dev/null 2>&1 && { supervisorctl status >/dev/null 2>&1; put supervisor "$?"; }
log="${REMOTE.logs}/provisioning.log"
[ -f "$log" ] && { put log_changed "$(date -r "$log" +%s)"; tail -c ${TAIL_BYTES} "$log" | emit log; }
last=$(ls -1t "${RUNS_PLACE}" 2>/dev/null | head -n 1)
if [ -n "$last" ]; then
  run="${RUNS_PLACE}/$last"; dir="${JOBS_PLACE}/$last"
  put run.id "$last"; emit run.source <"$run/source"; put run.started "$(date -r "$run/source" +%s)"
  if [ -f "$dir/status" ]; then put run.exit "$(cat "$dir/status")"; put run.ended "$(date -r "$dir/status" +%s)"
  elif read -r pid began <"$dir/process" 2>/dev/null || [ -n "$pid" ]; then
    kill -0 "$pid" 2>/dev/null && { [ -z "$began" ] || [ "$(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" = "$began" ]; } && put run.alive 1
  fi
fi
true
`;
}

/** supervisorctl answers 0 or 3 when supervisord is there (traps 20). */
const SUPERVISOR_UP = new Set([0, 3]);

export function parseProvisioningState(output: string): ProvisioningStatus {
  const facts = new Facts(output);
  const lastRun = lastRunOf(facts);
  const decided = decide(facts);
  const shown = latest(decided, lastRun);
  return {
    ...shown,
    script: shownAddress(facts.text('script')),
    manifest: shownAddress(facts.text('manifest')),
    hasProvisioner: facts.has('tool'),
    markers: Object.keys(MARKERS)
      .filter((name) => facts.has(`marker.${name}`))
      .map((name) => `/.${name}`),
    lastRun,
    logLines: cleanLines(facts.raw('log') ?? ''),
    nowMs: facts.epochMs('now') ?? 0,
  };
}

type Decided = Pick<ProvisioningStatus, 'state' | 'evidence' | 'sinceMs' | 'reason'>;

/** instance.md 6. The mark of a running boot comes back at every boot, whatever an earlier one has left. */
function decide(facts: Facts): Decided {
  const since = (marker: string): number | null => facts.epochMs(`marker.${marker}`);
  const at = (state: ProvisioningState, marker: string, reason: string | null = null): Decided => ({
    state,
    evidence: 'boot',
    sinceMs: since(marker),
    reason,
  });
  const has = (marker: string): boolean => facts.has(`marker.${marker}`);
  const wasComplete = has('provisioning_complete') ? 'it was complete before; the boot goes through it again' : null;
  if (has('provisioning')) return at('running', 'provisioning', wasComplete);
  if (has('provisioner_stopped')) return at('stopped', 'provisioner_stopped', 'it failed, and stopped the machine');
  if (has('provisioning_failed')) return at('failed', 'provisioning_failed');
  const isAsked = facts.has('script') || facts.has('manifest');
  if (has('provisioning_complete'))
    return at(
      isAsked || facts.has('log') ? 'complete' : 'none',
      'provisioning_complete',
      isAsked ? null : 'no script and no manifest was given',
    );
  if (!isAsked) {
    return { state: 'none', evidence: 'absence', sinceMs: null, reason: 'no script and no manifest was given' };
  }
  if (!SUPERVISOR_UP.has(facts.number('supervisor') ?? -1)) {
    return { state: 'none', evidence: 'absence', sinceMs: null, reason: 'the boot has not come so far' };
  }
  const reason = 'an older image: it leaves no mark, and does not say whether the script failed';
  return { state: 'complete', evidence: 'absence', sinceMs: facts.epochMs('log_changed'), reason };
}

/** What happened last counts: a script that was mended and run again is not a failure any more. */
function latest(boot: Decided, run: ProvisioningRun | null): Decided {
  if (run === null || boot.state === 'running') return boot;
  if (run.state === 'running') return { state: 'running', evidence: 'run', sinceMs: run.startedAtMs, reason: null };
  const endedMs = run.endedAtMs ?? run.startedAtMs;
  if (boot.sinceMs !== null && boot.sinceMs > endedMs) return boot;
  if (run.state === 'lost') {
    const reason = 'it ended without a result; the machine may have been restarted';
    return { state: 'failed', evidence: 'run', sinceMs: run.startedAtMs, reason };
  }
  const reason = run.exitCode === 0 ? null : `${run.source} ended with ${run.exitCode}`;
  return { state: run.exitCode === 0 ? 'complete' : 'failed', evidence: 'run', sinceMs: endedMs, reason };
}

function lastRunOf(facts: Facts): ProvisioningRun | null {
  const id = facts.text('run.id');
  // A folder of somebody else's is no run.
  if (id === null || !isRunId(id)) return null;
  const exitCode = facts.number('run.exit');
  return {
    id,
    state: exitCode !== null ? 'done' : facts.has('run.alive') ? 'running' : 'lost',
    exitCode,
    source: redactSecrets(facts.text('run.source') ?? ''),
    startedAtMs: facts.epochMs('run.started') ?? 0,
    endedAtMs: facts.epochMs('run.ended'),
  };
}

/** Ids are made by forgectl. */
export function isRunId(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,80}$/u.test(text);
}

/** Without its query, which may carry a token. */
export function shownAddress(url: string | null): string | null {
  return url === null ? null : redactAddress(url);
}
