import { EXIT, ForgeError } from '../../errors.js';
import { type CheckoutFacts, checkoutScript, parseCheckout } from '../../instance/checkout.js';
import { type ChangeFacts, changeScript, parseChange } from '../../instance/checkout-change.js';
import { checkRef, pullNumber, resolveRef } from '../../instance/git-ref.js';
import { parseTorch, torchScript } from '../../instance/torch-set.js';
import { redactAddress, redactSecrets } from '../../secrets/redact.js';
import type { MachineSession } from '../machine-session.js';
import { planUpgrade, type UpgradePlan } from './plan.js';
import { readHistory } from './read-history.js';

export interface UpgradeWishes {
  /** Branch, tag, commit, pull request; null: the tip of what the checkout follows. */
  ref: string | null;
  remoteUrl: string | null;
  /** The run whose record on the machine has that address whole; null when nothing was taken out of it. */
  remoteOfRun?: string | null;
  /** Versions to install instead of what the requirements ask for. */
  pins: readonly string[] | null;
  /** Of a rollback: the branch that was checked out before, if nothing was committed since the upgrade to `head`. */
  back?: { branch: string | null; head: string };
}

export interface UpgradeLook {
  plan: UpgradePlan;
  checkout: CheckoutFacts;
  change: ChangeFacts;
}

const FETCH_LIMIT_MS = 15 * 60_000;

/** Fetches, resolves the word to one commit, and tries what it would mean. Changes nothing that Forge sees. */
export async function lookAtUpgrade(
  session: MachineSession,
  wishes: UpgradeWishes,
  putBackAfterS: number,
): Promise<UpgradeLook> {
  const ref = wishes.ref === null ? null : checkRef(wishes.ref);
  const remoteUrl = wishes.remoteUrl === null ? null : checkRemote(wishes.remoteUrl, wishes.remoteOfRun ?? null);
  const remoteOfRun = wishes.remoteOfRun ?? null;
  const fetched = await session.run(
    checkoutScript({ ref, pull: ref === null ? null : pullNumber(ref), remoteUrl, remoteOfRun }),
    FETCH_LIMIT_MS,
  );
  const checkout = readCheckout(session.id, fetched);
  const target = resolveRef(ref, checkout.refs);
  const looked = await session.run(changeScript(target.sha, true), FETCH_LIMIT_MS);
  const change = parseChange(looked.output);
  const torch = parseTorch((await session.run(torchScript())).output);
  const history = await readHistory(session);
  const plan = planUpgrade({
    instance: session.instance,
    checkout,
    target,
    change,
    torch,
    remoteUrl,
    remoteOfRun,
    pins: wishes.pins,
    backTo: wishes.back?.head === checkout.head ? wishes.back.branch : null,
    lastDowntimeS: history.find(({ downtimeS }) => downtimeS !== null)?.downtimeS ?? null,
    putBackAfterS,
  });
  return { plan, checkout, change };
}

function readCheckout(id: number, run: { output: string; stderr: string; exitCode: number }): CheckoutFacts {
  if (run.exitCode === 3) {
    throw new ForgeError(`There is no Forge checkout on instance ${id}.`, {
      code: 'NO_CHECKOUT',
      exit: EXIT.notReady,
      hint: `forgectl wait ${id} --for boot   puts it there on a new machine`,
      details: { instance_id: id },
    });
  }
  if (run.exitCode === 5) {
    throw new ForgeError(`The address of the remote before is not kept on instance ${id} any more.`, {
      code: 'REMOTE_NOT_KEPT',
      exit: EXIT.notReady,
      hint: `It held a password, which is kept on the machine only, and for the last runs. Give it: forgectl upgrade ${id} --remote URL`,
      details: { instance_id: id },
    });
  }
  const checkout = parseCheckout(run.output);
  if (run.exitCode === 0 && checkout !== null) return checkout;
  const words = run.stderr
    .trim()
    .split('\n')
    .slice(-3)
    .join(' ')
    .replace(/\p{Cc}+/gu, ' ');
  throw new ForgeError(`The remote could not be read: ${words === '' ? `exit ${run.exitCode}` : words}`, {
    code: 'FETCH_FAILED',
    exit: EXIT.notReady,
    hint: `Is it reachable from the machine? forgectl exec ${id} -- git ls-remote`,
    details: { instance_id: id },
  });
}

/** Addresses that only fetch: no helper programs (`ext::`), no option in disguise, no password that would be kept. */
function checkRemote(url: string, ofRun: string | null): string {
  if (ofRun !== null) return url;
  const isGood =
    /^(?:(?:(?:https?|ssh|git):\/\/|[\w.-]+@[\w.-]+:)[^\s\p{Cc}]+|(?:file:\/\/)?\/[^\p{Cc}]*[^\s\p{Cc}])$/u.test(url) &&
    redactAddress(url) === url;
  if (isGood) return url;
  throw new ForgeError(`${JSON.stringify(redactSecrets(url))} cannot be the address of a remote.`, {
    code: 'BAD_REMOTE',
    exit: EXIT.usage,
    hint: "Give https://…, ssh://… or git@host:path, without a password. The machine's own git can keep one: git config credential.helper store",
  });
}
