import type { Instance } from '../vast/model.js';
import type { Diagnosis, RepairStep } from '../workflows/repair-keys.js';
import { nameOf } from './select-instances.js';
import type { Outcome } from './several.js';

export interface RepairRow {
  instance: Instance;
  /** Null when even looking has failed. */
  diagnosis: Diagnosis | null;
  /** Empty in a dry run. */
  steps: RepairStep[];
  error: Outcome<never>['error'];
}

const STEP_NAMES: Record<RepairStep['step'], string> = {
  account: 'account',
  instance: 'instance',
  host_key: 'host key',
  login: 'login',
};

export function repairText({ instance, steps }: RepairRow): string {
  const lines = steps.map(
    ({ step, state, detail }) => `  ${state.padEnd(7)}  ${STEP_NAMES[step].padEnd(8)}  ${detail}`,
  );
  return [`${nameOf(instance)}:`, ...lines].join('\n');
}

/** What a dry run has found, and what would be done about it. */
export function diagnosisText({ instance, diagnosis }: RepairRow): string {
  if (diagnosis === null) return `${nameOf(instance)}: could not be looked at`;
  const { onAccount, attached, noLogin, via, loginError, hostKey } = diagnosis;
  const account =
    onAccount === null
      ? 'this API key may not look'
      : onAccount
        ? 'the key is there'
        : 'the key is missing: would add it';
  const login =
    noLogin !== null ? `not tried: ${noLogin}` : loginError === null ? `works (${via})` : loginError.message;
  const lines: [string, string][] = [
    ['account', account],
    ['instance', attached ? 'the key is attached' : 'the key is not attached: would attach it'],
    ['login', login],
  ];
  if (hostKey !== null) lines.push(['host key', `would be changed only with --accept-host-key`]);
  return [`${nameOf(instance)}:`, ...lines.map(([name, text]) => `  ${name.padEnd(8)}  ${text}`)].join('\n');
}

export function repairDocument({ instance, diagnosis, steps, error }: RepairRow): Record<string, unknown> {
  const login = steps.find(({ step }) => step === 'login');
  const works =
    login === undefined ? loginWorks(diagnosis) : login.state === 'skipped' ? null : login.state !== 'failed';
  return {
    id: instance.id,
    label: instance.label,
    key_on_account: diagnosis?.onAccount ?? null,
    key_attached: diagnosis?.attached ?? null,
    login_worked_before: loginWorks(diagnosis),
    login_works: error !== null && login === undefined ? false : works,
    host_key_change:
      diagnosis?.hostKey == null
        ? null
        : {
            pinned: diagnosis.hostKey.pinned,
            shown: diagnosis.hostKey.shown,
            named_by_instance: diagnosis.hostKey.named,
          },
    steps,
    error,
  };
}

function loginWorks(diagnosis: Diagnosis | null): boolean | null {
  if (diagnosis === null || diagnosis.noLogin !== null) return null;
  return diagnosis.loginError === null;
}
