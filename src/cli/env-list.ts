import { EXIT, ForgeError } from '../errors.js';
import { DotenvFile } from '../instance/dotenv/dotenv-file.js';
import type { Instance } from '../vast/model.js';
import type { ServiceAnswer } from './act-on-services.js';
import type { ForgeContext } from './context.js';
import { dotenvRows, originRows, variableColumns, variableDocument } from './env-output.js';

export interface ListRequest {
  names: readonly string[];
  withOrigin: boolean;
  reveal: boolean;
}

export async function listVariables(
  context: ForgeContext,
  instance: Instance,
  { names, withOrigin, reveal }: ListRequest,
): Promise<ServiceAnswer> {
  const { openSession } = await import('./upgrade-access.js');
  const { readEnvironment } = await import('../workflows/environment/dotenv.js');
  const session = await openSession(context, instance);
  try {
    const found = await readEnvironment(session);
    const own = dotenvRows(new DotenvFile(found.bytes), found, reveal);
    const account = withOrigin ? await accountNames(context) : null;
    const launched = new Map(instance.extraEnv);
    const all = withOrigin ? originRows(own, found, { account: account ?? [], launched, reveal }) : own;
    const rows = names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
    const missing = names.filter((name) => !rows.some((row) => row.name === name));
    if (missing.length > 0) throw notSet(instance, missing, withOrigin);
    const { stdoutIsTerminal, columns } = context.terminal;
    const layout = { withOrigin, width: stdoutIsTerminal ? columns : null };
    return {
      document: {
        instance_id: instance.id,
        label: instance.label,
        file: found.path,
        exists: found.exists,
        account_known: account !== null,
        variables: rows.map(variableDocument),
      },
      text:
        rows.length === 0 ? `${found.path} sets nothing.` : await context.table(rows, variableColumns(rows, layout)),
    };
  } finally {
    session.close();
  }
}

/** Null when the key may not look; the other places are told all the same. */
async function accountNames(context: ForgeContext): Promise<string[] | null> {
  try {
    return await (await context.vast()).secrets.list();
  } catch (error) {
    if (!(error instanceof ForgeError) || error.exit === EXIT.interrupted || error.exit === EXIT.terminated)
      throw error;
    context.reporter.warn(`The variables of the account are not known: ${error.message}`);
    return null;
  }
}

function notSet({ id }: Instance, names: readonly string[], withOrigin: boolean): ForgeError {
  return new ForgeError(`Not set ${withOrigin ? 'anywhere' : 'in .env'}: ${names.join(', ')}.`, {
    code: 'VARIABLE_NOT_SET',
    exit: EXIT.notFound,
    hint: withOrigin ? `forgectl env ls ${id} --origin` : `Other places: forgectl env ls ${id} --origin`,
  });
}
