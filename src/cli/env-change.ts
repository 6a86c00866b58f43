import { ForgeError } from '../errors.js';
import { DotenvFile } from '../instance/dotenv/dotenv-file.js';
import type { MachineEnvironment } from '../instance/dotenv/dotenv-script.js';
import type { ServiceRow } from '../instance/services/service-rows.js';
import { readersOf } from '../instance/services/variable-readers.js';
import type { Instance } from '../vast/model.js';
import type { Changes } from '../workflows/environment/dotenv.js';
import type { MachineSession } from '../workflows/machine-session.js';
import type { ActionResult } from '../workflows/services/act.js';
import type { SeenServices } from '../workflows/services/look.js';
import type { ServiceAnswer } from './act-on-services.js';
import type { ForgeContext } from './context.js';
import { resultDocument, resultLine } from './service-output.js';
import { shellWord } from './typed-command.js';

export interface EnvRequest {
  /** Null: asked for on a terminal, else only told. */
  restart: boolean | null;
  yes: boolean;
  dryRun: boolean;
  waitMs: number;
}

export type NameChange = { name: string; change: 'added' | 'changed' | 'removed' };

/** `env set` and `env unset`: all questions come before the file is touched. */
export async function changeVariables(
  context: ForgeContext,
  instance: Instance,
  { changes, ...request }: EnvRequest & { changes: Changes },
): Promise<ServiceAnswer> {
  const { openSession } = await import('./upgrade-access.js');
  const { changeEnvironment, previewChanges, readEnvironment } = await import('../workflows/environment/dotenv.js');
  const session = await openSession(context, instance);
  try {
    const before = await readEnvironment(session);
    const preview = describe(previewChanges(before, changes), before, changes);
    return await withRestart(context, session, { before, preview, request }, async () => {
      await changeEnvironment(session, context.clock, changes);
    });
  } finally {
    session.close();
  }
}

function describe(names: readonly string[], { bytes }: MachineEnvironment, changes: Changes): NameChange[] {
  const had = new Set(new DotenvFile(bytes).entries().map(({ name }) => name));
  return names.map((name) => ({
    name,
    change: changes.get(name) === null ? 'removed' : had.has(name) ? 'changed' : 'added',
  }));
}

export interface EnvChange {
  before: MachineEnvironment;
  preview: NameChange[];
  request: EnvRequest;
}

/** Looks which services would read the change, asks, writes, and restarts them. */
export async function withRestart(
  context: ForgeContext,
  session: MachineSession,
  { before, preview, request }: EnvChange,
  write: () => Promise<void>,
): Promise<ServiceAnswer> {
  const seen = preview.length === 0 ? null : await servicesOf(session);
  const rows = readingRows(seen, preview);
  const willRestart = !request.dryRun && rows.length > 0 && (await wantsRestart(context, session, seen, rows, request));
  if (!request.dryRun && preview.length > 0) await write();
  const results = willRestart ? await restart(context, session, rows, request) : [];
  return {
    document: {
      instance_id: session.instance.id,
      label: session.instance.label,
      dry_run: request.dryRun,
      file: before.path,
      changes: preview,
      needs_restart: willRestart ? [] : rows.map(({ name }) => name),
      restarted: results.map(resultDocument),
    },
    text: [
      ...changeLines(preview, request.dryRun, before.path),
      ...results.map((result) => resultLine('restart', result, true)),
      ...(willRestart || rows.length === 0 ? [] : [restartHint(session, rows)]),
    ].join('\n'),
  };
}

/** Null when nothing runs yet: then they read the change when they start. */
async function servicesOf(session: MachineSession): Promise<SeenServices | null> {
  const { lookAtServices } = await import('../workflows/services/look.js');
  try {
    return await lookAtServices(session, { answers: false, watch: false });
  } catch (error) {
    if (error instanceof ForgeError && error.code === 'SUPERVISOR_NOT_UP') return null;
    throw error;
  }
}

/** What runs now with what it has read before. */
function readingRows(seen: SeenServices | null, preview: readonly NameChange[]): ServiceRow[] {
  if (seen === null) return [];
  const programOf = ({ program }: ServiceRow): string => program?.split(':').at(-1) ?? '';
  const running = seen.rows.filter((row) => row.pid !== null && row.state !== 'skipped');
  const readers = running.map(programOf).filter((program) => seen.look.readsEnvironment.has(program));
  const chosen = readersOf(
    preview.map(({ name }) => name),
    readers,
  );
  return running.filter((row) => chosen.includes(programOf(row)));
}

async function wantsRestart(
  context: ForgeContext,
  session: MachineSession,
  seen: SeenServices | null,
  rows: readonly ServiceRow[],
  { restart: wish, yes }: EnvRequest,
): Promise<boolean> {
  const { prompts, terminal } = context;
  if (wish === false || (wish === null && (yes || !terminal.canPrompt))) return false;
  const question = `These read it when they start: ${namesOf(rows)}. Restart them afterwards?`;
  if (wish === null && !(await prompts.confirm(question))) return false;
  const { allowAction } = await import('./act-on-services.js');
  if (seen !== null)
    await allowAction(context, session, seen, { action: 'restart', force: false, yes, dryRun: false, rows });
  return true;
}

async function restart(
  context: ForgeContext,
  session: MachineSession,
  rows: readonly ServiceRow[],
  { waitMs }: EnvRequest,
): Promise<ActionResult[]> {
  const { actOnRows } = await import('./act-on-services.js');
  try {
    return await actOnRows(context, session, rows, { action: 'restart', waitMs });
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    const { code, exit, hint, details } = error;
    throw new ForgeError(`The variables are written. ${error.message}`, { code, exit, hint, details, cause: error });
  }
}

function changeLines(preview: readonly NameChange[], dryRun: boolean, path: string): string[] {
  if (preview.length === 0) return ['Nothing to change: the file says so already.'];
  const words = { added: 'add', changed: 'change', removed: 'remove' };
  if (dryRun) return preview.map(({ name, change }) => `Would ${words[change]} ${name} in ${path}.`);
  return preview.map(({ name, change }) => `${name}: ${change}`);
}

function restartHint({ instance }: MachineSession, rows: readonly ServiceRow[]): string {
  const words = rows.map(({ name }) => shellWord(name)).join(' ');
  const wait = rows.some(({ name }) => name === 'forge') ? ' --wait' : '';
  return `Read at the next start only: forgectl service restart ${instance.id} ${words}${wait}`;
}

function namesOf(rows: readonly ServiceRow[]): string {
  return rows.map(({ name }) => name).join(', ');
}
