import { EXIT, ForgeError } from '../errors.js';
import { DEFAULT_TEMPLATE } from '../instance/forge-template.js';
import type { Identity } from '../ssh/identity.js';
import { parseDockerFlags } from '../vast/launch-env.js';
import type { Run } from '../workflows/journal.js';
import { emptyFacts, type LaunchFacts, livingAttempts } from '../workflows/launch/attempt.js';
import { undoLaunch } from '../workflows/launch/clean-up.js';
import { Launching, type LaunchResult, launch } from '../workflows/launch/launch.js';
import type { LaunchPlan } from '../workflows/launch/plan.js';
import {
  completePlan,
  isComplete,
  type StoredLaunchPlan,
  storePlan,
  valuesMissing,
} from '../workflows/launch/stored-plan.js';
import type { ForgeContext } from './context.js';
import { keepScript, keptScript } from './kept-script.js';
import { launchDependencies } from './launch-access.js';

/** A new launch: its journal is on disk before its first effect. */
export async function beginLaunch(
  context: ForgeContext,
  plan: LaunchPlan,
  identity: Identity,
  typed: { sshKeyFile: string | null; envNames: readonly string[]; script: string | null },
): Promise<LaunchResult> {
  if (typed.script !== null) await keepScript(context, typed.script);
  const run = await context.journal.begin({
    kind: 'launch',
    title: `launch of ${plan.label}`,
    plan: storePlan(plan, typed.sshKeyFile, typed.envNames),
    facts: { ...emptyFacts() },
  });
  const deps = await launchDependencies(context, identity, { runId: run.id, label: plan.label });
  return launch({ ...deps, provisioningScript: typed.script }, run, plan);
}

/** Goes on where a launch was cut off. Values that a journal never holds are asked for again, if they are needed. */
export async function resumeLaunch(
  context: ForgeContext,
  run: Run,
  given: { env: Record<string, string> },
): Promise<LaunchResult> {
  const stored = run.record.plan as StoredLaunchPlan;
  try {
    const identity = await context.identity(stored.sshKeyFile ?? context.settings.get('ssh_key'));
    const script = await keptScript(context, stored.provisioningFile?.sha256 ?? null);
    const { plan, missing } = completePlan(stored, {
      ...(await againFromTemplate(context, stored, given.env)),
      script,
    });
    const isRented = livingAttempts(run.record.facts as unknown as LaunchFacts).some(
      ({ contractId }) => contractId !== null,
    );
    if (!isComplete(missing) && !isRented) throw valuesMissing(run.id, missing);
    // What cannot be rented again is only waited for.
    const able = isComplete(missing) ? plan : { ...plan, failOver: { ...plan.failOver, search: null } };
    const deps = await launchDependencies(context, identity, { runId: run.id, label: plan.label });
    return await launch({ ...deps, provisioningScript: script }, run, able);
  } catch (error) {
    if (run.record.state === 'open') await run.leave(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Destroys what a cut-off launch has made. Returns the contracts. */
export async function undoLaunchRun(context: ForgeContext, run: Run): Promise<number[]> {
  const stored = run.record.plan as StoredLaunchPlan;
  try {
    const identity = await context.identity(stored.sshKeyFile ?? context.settings.get('ssh_key'));
    const deps = await launchDependencies(context, identity, { runId: run.id, label: stored.label });
    const destroyed = await undoLaunch(new Launching(deps, run, completePlan(stored, { env: {}, onstart: null }).plan));
    await run.end('undone', destroyed.length === 0 ? 'nothing was left' : `destroyed ${destroyed.join(', ')}`);
    return destroyed;
  } catch (error) {
    await run.leave(error instanceof Error ? error.message : String(error));
    if (error instanceof ForgeError && error.exit === EXIT.apiFailed) throw mayStillBill(error, run.id);
    throw error;
  }
}

/** A template's own values can be read again; what the user has typed cannot. */
async function againFromTemplate(
  context: ForgeContext,
  stored: StoredLaunchPlan,
  typed: Record<string, string>,
): Promise<{ env: Record<string, string>; onstart: string | null }> {
  const { template, withheld, withheldOnstart } = stored;
  if (template.source !== 'api') return { env: typed, onstart: withheldOnstart ? DEFAULT_TEMPLATE.onstart : null };
  if (withheld.length === 0 && !withheldOnstart) return { env: typed, onstart: null };
  const found = await (await context.vast()).templates.find(template.hashId);
  if (found === null) return { env: typed, onstart: null };
  const inherited = parseDockerFlags(found.env);
  const own = withheld.filter((name) => name in inherited && !stored.typedNames.includes(name));
  return {
    env: { ...Object.fromEntries(own.map((name) => [name, inherited[name] ?? ''])), ...typed },
    onstart: found.onstart.trim(),
  };
}

function mayStillBill(error: ForgeError, runId: string): ForgeError {
  return new ForgeError(`The clean-up could not be confirmed: ${error.message}`, {
    code: 'CLEAN_UP_UNCONFIRMED',
    exit: EXIT.cleanUpFailed,
    hint: `Something may still be billed. Try again: forgectl undo ${runId}`,
    cause: error,
    details: { run: runId },
  });
}
