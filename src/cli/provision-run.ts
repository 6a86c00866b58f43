import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';
import { runProvisioning } from '../workflows/provision/run-provisioning.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';
import { environment } from './launch-choice.js';
import { type ProvisioningFile, readProvisioning } from './provisioning-source.js';
import { nameOf, selectInstances } from './select-instances.js';
import { withSession } from './venv-access.js';

export interface ProvisionRunRequest {
  env: string[];
  envFile: string | undefined;
  limitMs: number;
  detach: boolean;
  endsWithUs: boolean;
  dryRun: boolean;
  yes: boolean;
}

interface Target {
  instance: Instance;
  file: ProvisioningFile;
}

/** `[INSTANCE] FILE|URL`: the last word is what is run. The file is read before anything is asked of the API. */
export async function runTarget(context: ForgeContext, words: readonly string[]): Promise<Target> {
  const source = words.at(-1);
  if (source === undefined || words.length > 2) {
    throw new ForgeError(source === undefined ? 'What is to be run?' : 'One instance and one file at a time.', {
      code: 'USAGE',
      exit: EXIT.usage,
      hint: 'forgectl provision run INSTANCE FILE|URL',
    });
  }
  const file = await readProvisioning(source, { fetches: false });
  const vast = await context.vast();
  const names = words.slice(0, -1);
  const [instance] = selectInstances(await vast.instances.list(), { names, selfId: context.selfId });
  return { instance: instance as Instance, file };
}

export async function provisionInstance(
  context: ForgeContext,
  { instance, file }: Target,
  request: ProvisionRunRequest,
): Promise<{ document: Record<string, unknown>; text: string; exitCode: number }> {
  const env = await environment({ env: request.env, 'env-file': request.envFile });
  const head = {
    instance_id: instance.id,
    label: instance.label,
    source: file.name,
    kind: file.kind,
    environment_names: Object.keys(env).sort(),
    dry_run: request.dryRun,
  };
  const what = `${file.kind} ${cleanLine(file.name)}`;
  if (request.dryRun) {
    const document = { ...head, run: null, state: null, exit_code: null, elapsed_s: null, log_tail: [] };
    return { document, text: `Would run the ${what} on ${cleanLine(nameOf(instance))}.`, exitCode: EXIT.done };
  }
  await confirm(context, `Run the ${what} as root on ${cleanLine(nameOf(instance))}?`, request.yes);
  const startedMs = Date.now();
  const reporter = await context.stageReporter();
  const end = await withSession(context, instance, (session) =>
    runProvisioning(
      { session, reporter, clock: systemClock, beginCleanUp: () => context.interruption.beginCleanUp() },
      {
        ...request,
        kind: file.kind,
        name: file.name,
        source: file.text === null ? { url: file.url ?? '' } : { text: file.text },
        env,
      },
    ),
  );
  const state = end.exitCode === null ? 'running' : end.exitCode === 0 ? 'complete' : 'failed';
  return {
    document: {
      ...head,
      run: end.run,
      state,
      exit_code: end.exitCode,
      elapsed_s: Math.round((Date.now() - startedMs) / 100) / 10,
      log_tail: end.logLines.slice(-20),
    },
    text: endText(what, instance, end),
    exitCode: state === 'failed' ? EXIT.notReady : EXIT.done,
  };
}

async function confirm(context: ForgeContext, question: string, yes: boolean): Promise<void> {
  if (yes) return;
  const { prompts, terminal } = context;
  await agreeTo({ prompts, terminal }, question);
}

function endText(what: string, instance: Instance, end: { exitCode: number | null; logLines: string[] }): string {
  if (end.exitCode === null) {
    return `The ${what} runs (forgectl provision status ${instance.id}, forgectl provision logs ${instance.id} -f).`;
  }
  if (end.exitCode === 0) return `The ${what} ended with 0.`;
  const tail = end.logLines.slice(-10).map((line) => `  ${cleanLine(line)}`);
  return [`The ${what} ended with ${end.exitCode}:`, ...tail].join('\n');
}
