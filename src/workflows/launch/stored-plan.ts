import { EXIT, ForgeError } from '../../errors.js';
import { carryScript } from '../../instance/carried-script.js';
import { hideCredentials } from '../../instance/forge-args.js';
import { DEFAULT_TEMPLATE } from '../../instance/forge-template.js';
import { newNonce, nonceOf, withHostKeyLine } from '../../instance/host-key-line.js';
import { isSecret } from '../../secrets/redact.js';
import type { LaunchPlan } from './plan.js';

/** A launch plan as it lies in the journal: without values that may be secret. */
export interface StoredLaunchPlan extends LaunchPlan {
  /** Variables whose values were left out. */
  withheld: string[];
  /** Variables that the user has given: a template's value of the same name is another one. */
  typedNames: string[];
  /** The onstart script was left out: it is a template's own, and may hold anything. */
  withheldOnstart: boolean;
  /** The private key file that was named, or null. */
  sshKeyFile: string | null;
}

/** Variables of the image and the platform, whose values are the template's and nobody's secret. */
const OPEN_NAMES = new Set([
  'OPEN_BUTTON_PORT',
  'JUPYTER_DIR',
  'DATA_DIRECTORY',
  'WORKSPACE',
  'PORTAL_CONFIG',
  'PROVISIONING_SCRIPT',
  'FORGE_ARGS',
]);

export function storePlan(
  plan: LaunchPlan,
  sshKeyFile: string | null,
  typedNames: readonly string[],
): StoredLaunchPlan {
  const env = Object.entries(plan.request.env);
  const open = env.filter(([name, value]) => mayBeStored(name, value));
  const withheld = env.filter(([name, value]) => !mayBeStored(name, value)).map(([name]) => name);
  const { onstart = '', ...request } = plan.request;
  const withheldOnstart = onstart !== withHostKeyLine(DEFAULT_TEMPLATE.onstart, nonceOf(onstart) ?? '');
  return {
    ...plan,
    request: { ...request, env: Object.fromEntries(open), ...(withheldOnstart ? {} : { onstart }) },
    withheld,
    typedNames: [...typedNames],
    withheldOnstart,
    sshKeyFile,
  };
}

function mayBeStored(name: string, value: string): boolean {
  if (name.startsWith('-') || value === '1') return true;
  if (!OPEN_NAMES.has(name)) return false;
  // An address with a query or a user may carry a token, arguments may carry a password.
  if (isSecret(name, value)) return false;
  return !/[?@]/u.test(name === 'PROVISIONING_SCRIPT' ? value : '') && hideCredentials(value) === value;
}

/** What a journal does not hold, and nobody has given again. */
export interface MissingValues {
  /** Variables: can be typed. */
  names: string[];
  /** Cannot be typed: came from a template or a file that is gone. */
  scripts: string[];
}

/** The plan with the values that were left out, given again by the template or the user; and what is still missing. */
export function completePlan(
  stored: StoredLaunchPlan,
  given: { env: Record<string, string>; onstart: string | null; script?: string | null },
): { plan: LaunchPlan; missing: MissingValues } {
  const { withheld, typedNames: _typed, withheldOnstart, sshKeyFile: _file, ...plan } = stored;
  const missing: MissingValues = { names: withheld.filter((name) => given.env[name] === undefined), scripts: [] };
  const env = { ...plan.request.env };
  for (const name of withheld) env[name] = given.env[name] ?? '';
  const request = { ...plan.request, env };
  if (!withheldOnstart) return { plan: { ...plan, request }, missing };
  const without = (script: string) => ({ plan: { ...plan, request }, missing: { ...missing, scripts: [script] } });
  if (given.onstart === null) return without("the template's onstart script");
  const nonce = newNonce();
  if (!plan.provisioningFile) {
    return { plan: { ...plan, request: { ...request, onstart: withHostKeyLine(given.onstart, nonce) } }, missing };
  }
  if (!given.script) return without(`the provisioning script ${plan.provisioningFile.name}`);
  const { onstart, by } = carryScript(given.onstart, given.script, nonce);
  const provisioningFile = { ...plan.provisioningFile, by };
  return { plan: { ...plan, provisioningFile, request: { ...request, onstart } }, missing };
}

export function isComplete({ names, scripts }: MissingValues): boolean {
  return names.length === 0 && scripts.length === 0;
}

export function valuesMissing(runId: string, { names, scripts }: MissingValues): ForgeError {
  const undo = `forgectl undo ${runId}   gives it up`;
  if (scripts.length > 0) {
    return new ForgeError(`To rent again, ${scripts.join(' and ')} is needed, and cannot be had any more.`, {
      code: 'MISSING_ANSWER',
      exit: EXIT.usage,
      hint: `${undo}; then launch anew.`,
      details: { run: runId, missing: [...names, ...scripts] },
    });
  }
  const list = names.join(', ');
  return new ForgeError(`To rent again, the values of ${list} are needed: journals hold no secrets.`, {
    code: 'MISSING_ANSWER',
    exit: EXIT.usage,
    hint: `forgectl resume ${runId} ${names.map((name) => `--env ${name}=…`).join(' ')}\n${undo}`,
    details: { run: runId, missing: names },
  });
}
