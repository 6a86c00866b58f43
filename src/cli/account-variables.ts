import { EXIT, ForgeError } from '../errors.js';
import { VastError } from '../vast/vast-error.js';
import type { ForgeContext } from './context.js';

export interface AccountChange {
  name: string;
  change: 'added' | 'changed' | 'removed' | 'unchanged';
}

/** What may be done with them depends on the scopes of the key. */
export async function explainScope<T>(scope: 'user_read' | 'user_write', call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof VastError) || error.code !== 'NOT_PERMITTED') throw error;
    throw new ForgeError(
      `This API key may not ${scope === 'user_read' ? 'read' : 'change'} variables of the account.`,
      {
        code: 'NOT_PERMITTED',
        exit: EXIT.notPermitted,
        hint: `It lacks the scope ${scope}: forgectl whoami shows what it has.`,
        cause: error,
        details: error.details,
      },
    );
  }
}

/** The API keeps names in capitals; one that comes twice in that way is a mistake. */
export function inCapitals(values: ReadonlyMap<string, string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of values) {
    const key = name.toUpperCase();
    if (found.has(key)) {
      throw new ForgeError(`${key} is given twice: the account keeps names in capitals.`, {
        code: 'BAD_VARIABLE',
        exit: EXIT.usage,
        hint: 'Give it once.',
      });
    }
    found.set(key, value);
  }
  return found;
}

export async function planAccountChanges(
  context: ForgeContext,
  changes: ReadonlyMap<string, string | null>,
): Promise<AccountChange[]> {
  const { secrets } = await context.vast();
  const there = await explainScope('user_read', () => secrets.list());
  return [...changes].map(([name, value]) => {
    const isThere = there.includes(name);
    if (value === null) return { name, change: isThere ? 'removed' : 'unchanged' };
    return { name, change: isThere ? 'changed' : 'added' };
  });
}

/** Each is read back, by its name: the API tells no values. */
export async function changeAccount(
  context: ForgeContext,
  plan: readonly AccountChange[],
  changes: ReadonlyMap<string, string | null>,
): Promise<void> {
  const { secrets } = await context.vast();
  for (const { name, change } of plan) {
    const value = changes.get(name) ?? null;
    await explainScope('user_write', async () => {
      if (change === 'added' && value !== null) await refusedValue(name, value, () => secrets.create(name, value));
      if (change === 'changed' && value !== null) await refusedValue(name, value, () => secrets.update(name, value));
      if (change === 'removed') await secrets.remove(name);
    });
  }
  const after = await explainScope('user_read', () => secrets.list());
  const wrong = plan.filter(
    ({ name, change }) => after.includes(name) === (change === 'removed' || change === 'unchanged'),
  );
  if (wrong.length > 0) throw notThere(wrong.map(({ name }) => name));
}

/** Published: letters, digits, "_", "-" and "." only. Others are left to the API, which may take more than it says. */
async function refusedValue(name: string, value: string, call: () => Promise<void>): Promise<void> {
  try {
    await call();
  } catch (error) {
    const isAboutValue = error instanceof VastError && error.facts.status === 400 && !/^[\w.-]+$/u.test(value);
    if (!isAboutValue) throw error;
    throw new ForgeError(`The account does not take the value of ${name}: ${error.message}`, {
      code: 'BAD_VARIABLE',
      exit: EXIT.usage,
      hint: 'It takes letters, digits, "_", "-" and "."; for anything else: forgectl env set INSTANCE NAME=value',
      cause: error,
      details: error.details,
    });
  }
}

function notThere(names: readonly string[]): ForgeError {
  return new ForgeError(`The API has taken the change, and does not show it: ${names.join(', ')}.`, {
    code: 'VARIABLE_NOT_CHANGED',
    exit: EXIT.apiFailed,
    hint: 'Look again in a minute: forgectl env account ls',
  });
}

export const NEW_ONLY =
  'New containers get it; those that exist do not, not even after a reboot: forgectl env set INSTANCE …';

export function accountLines(plan: readonly AccountChange[], dryRun: boolean): string[] {
  const planned = { added: 'Would add', changed: 'Would change', removed: 'Would remove', unchanged: 'Not there:' };
  return plan.map(({ name, change }) => {
    if (dryRun) return `${planned[change]} ${name}${change === 'unchanged' ? '' : ' on the account'}.`;
    return `${name}: ${change === 'unchanged' ? 'was not there' : change}`;
  });
}
