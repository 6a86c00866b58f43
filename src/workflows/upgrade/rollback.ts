import { EXIT, ForgeError } from '../../errors.js';
import type { UpgradeEntry } from '../../instance/upgrade-history.js';
import { parseReplaced, replacedPackagesScript } from '../../instance/venv-guard.js';
import { isRedactedAddress } from '../../secrets/redact.js';
import type { MachineSession } from '../machine-session.js';
import type { UpgradeWishes } from './look.js';
import { readHistory } from './read-history.js';

/** What undoes the last upgrade that is still in force: an upgrade like any other, to where it came from. */
export async function rollbackWishes(session: MachineSession): Promise<UpgradeWishes> {
  const last = inForce(await readHistory(session));
  if (last === null) {
    throw new ForgeError(`There is no upgrade on instance ${session.id} to roll back.`, {
      code: 'NO_UPGRADE',
      exit: EXIT.notFound,
      hint: `forgectl upgrade history ${session.id}`,
      details: { instance_id: session.id },
    });
  }
  const { output } = await session.run(replacedPackagesScript(last.run));
  const remoteUrl = last.remoteBefore === last.remoteUrl ? null : last.remoteBefore;
  const back = { branch: last.from.branch ?? null, head: last.to.sha };
  // A password in the address is in the record on the machine, and nowhere else.
  const remoteOfRun = remoteUrl !== null && isRedactedAddress(remoteUrl) ? last.run : null;
  return { ref: last.from.sha, remoteUrl, remoteOfRun, pins: parseReplaced(output), back };
}

/** An upgrade back to where another came from takes both away. */
export function inForce(entries: readonly UpgradeEntry[]): UpgradeEntry | null {
  const stack: UpgradeEntry[] = [];
  for (const entry of [...entries].reverse()) {
    if (entry.result !== 'done') continue;
    const last = stack.at(-1);
    if (last !== undefined && entry.to.sha === last.from.sha && entry.from.sha === last.to.sha) stack.pop();
    else stack.push(entry);
  }
  return stack.at(-1) ?? null;
}
