import { EXIT, ForgeError } from '../errors.js';
import { formatBytes, formatPerHour } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import { planDocument as launchDocument } from '../workflows/launch/plan-document.js';
import type { Manifest } from '../workflows/snapshot/manifest.js';
import { finishTelling } from './after-telling.js';
import type { ForgeContext } from './context.js';
import { prepareLaunch } from './launch-choice.js';
import { flagsLike, type LaunchFlags, refuseSmallDisk } from './launch-like.js';
import { planLines as launchLines } from './launch-output.js';
import { rentFirst } from './rent-first.js';
import { showSnapshot } from './snapshot-folder.js';
import { restoreDocument, restoredLines, TEMPLATES_OWN } from './snapshot-output.js';
import { type RestoreWishes, restoreSnapshotTo } from './snapshot-restore.js';

interface NewRestore extends RestoreWishes {
  flags: LaunchFlags;
  argv: readonly string[];
}

/** One question for both; then a machine as the snapshot's was launched, then the restore. */
export async function restoreToNew(
  context: ForgeContext,
  request: NewRestore,
): Promise<{ document: Record<string, unknown>; text: string }> {
  const { flags, argv } = request;
  const { manifest } = await showSnapshot(context, request.folder, { name: request.name, verify: false });
  if (manifest.finishedAt === null) throw unfinished(manifest);
  const launch = await prepareLaunch(
    context,
    await flagsLike(context, launchedAs(manifest), { flags, withSecrets: false }),
    argv,
  );
  const ports = Object.fromEntries(launchedAs(manifest).extraEnv.filter(([name]) => name.startsWith('-p')));
  const plan = { ...launch.plan, request: { ...launch.plan.request, env: { ...ports, ...launch.plan.request.env } } };
  refuseSmallDisk(plan.request.diskGb, manifest.totals.bytes);
  const lines = [...launchLines(plan, launch.limit, context.clock.now()), ...snapshotLines(manifest)];
  if (request.dryRun) {
    const { files, bytes } = manifest.totals;
    const document = { dry_run: true, name: manifest.name, launch: launchDocument(plan), files, bytes };
    return { document, text: lines.join('\n') };
  }
  for (const line of lines) context.reporter.info(line);
  await confirm(context, plan.price.runningPerHourUsd, request.yes);
  const rent = { launch: { ...launch, plan }, sshKeyFile: flags['ssh-key'] ?? null };
  // Once it has begun, the restore's own journal tells of the machine.
  const answer = await rentFirst(context, rent, (instance) =>
    restoreSnapshotTo(context, instance, { ...request, yes: true, onBegun: finishTelling }),
  );
  const { instanceId } = answer.plan;
  const bill = `Instance ${instanceId} bills ${formatPerHour(plan.price.runningPerHourUsd)}: forgectl show ${instanceId}`;
  return {
    document: { dry_run: false, ...restoreDocument(answer) },
    text: [...restoredLines(answer), bill].join('\n'),
  };
}

/** In the words of an instance's row. */
function launchedAs({ launch }: Manifest): Parameters<typeof flagsLike>[1] {
  const published = launch.ports.map((port): [string, string] => {
    const [number = '', protocol = 'tcp'] = port.split('/');
    return [`-p ${number}:${number}${protocol === 'tcp' ? '' : `/${protocol}`}`, '1'];
  });
  return {
    templateHashId: launch.templateHashId,
    imageUuid: launch.image,
    diskSpaceGb: launch.diskGb,
    extraEnv: [...published, ...Object.entries(launch.env)],
  };
}

function snapshotLines({ name, totals, launch }: Manifest): string[] {
  const names = launch.secretNames.filter((one) => !TEMPLATES_OWN.test(one)).map(cleanLine);
  const secrets = names.length === 0 ? '' : `, and ${names.join(', ')} (--env)`;
  return [
    `Restores  ${name}: ${totals.files.toLocaleString('en')} files, ${formatBytes(totals.bytes)}`,
    `Not taken over: a provisioning script (its work comes with the files; --provisioning URL)${secrets}`,
  ];
}

async function confirm(context: ForgeContext, perHourUsd: number, yes: boolean): Promise<void> {
  if (yes || (await context.prompts.confirm(`Rent it for ${formatPerHour(perHourUsd)}, and restore?`))) return;
  throw new ForgeError('Nothing was rented.', { code: 'CANCELLED', exit: EXIT.interrupted });
}

function unfinished({ name, source }: Manifest): ForgeError {
  return new ForgeError(`The snapshot ${name} is unfinished.`, {
    code: 'SNAPSHOT_UNFINISHED',
    exit: EXIT.conflict,
    hint: `Finish it: forgectl snapshot create ${source.instanceId} --name ${name}`,
  });
}
