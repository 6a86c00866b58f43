import { Flags } from '@oclif/core';
import { changeFlags, instancesArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { accountKeysIfAllowed, repairDependencies } from '../../cli/key-access.js';
import { loginIdentity } from '../../cli/public-key-input.js';
import { diagnosisText, type RepairRow, repairDocument, repairText } from '../../cli/repair-output.js';
import { settleSeveral } from '../../cli/several.js';
import { EXIT, ForgeError } from '../../errors.js';
import type { Instance } from '../../vast/model.js';
import { type Diagnosis, diagnose, type RepairDependencies, repairKeys, voucher } from '../../workflows/repair-keys.js';

export default class KeysRepair extends InstanceCommand<typeof KeysRepair> {
  static override description =
    'Find out why a login fails and put it right: key on the account, key on the instance, host key, network; a fresh login proves it.';
  static override args = { instance: instancesArg };
  static override flags = {
    all: Flags.boolean({ description: 'All instances.' }),
    'accept-host-key': Flags.boolean({
      description: 'Of one instance: pin the new host key. Not when the instance itself names another one.',
    }),
    key: Flags.string({
      description: 'Another private key than the one that forgectl logs in with.',
      helpValue: 'FILE',
    }),
    ...changeFlags,
  };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> keys repair' },
    { description: 'Look only', command: '<%= config.bin %> keys repair my-forge --dry-run' },
    {
      description: 'After a recycle in the console',
      command: '<%= config.bin %> keys repair my-forge --accept-host-key',
    },
    { description: 'After a key was lost everywhere', command: '<%= config.bin %> keys repair --all' },
  ];

  async run(): Promise<Record<string, unknown>> {
    this.refuseFlags();
    const identity = await loginIdentity(this.context, this.flags.key ?? null);
    const instances = this.flags.all ? await this.everyInstance() : await this.selected();
    const deps = await repairDependencies(this.context, identity);
    const account = await accountKeysIfAllowed(deps.listAccountKeys);
    const found = await settleSeveral(this.context, instances, (instance) => this.look(deps, instance, account));
    const rows: RepairRow[] = found.map(({ instance, value, error }) => ({
      instance,
      diagnosis: value,
      steps: [],
      error,
    }));
    if (this.flags['dry-run']) for (const row of rows) this.answer(diagnosisText(row));
    else await this.repairAll(deps, rows);
    return { dry_run: this.flags['dry-run'], key: identity.description, instances: rows.map(repairDocument) };
  }

  private refuseFlags(): void {
    const { all, 'accept-host-key': accept } = this.flags;
    const problem =
      accept && (all || this.words.length > 1)
        ? 'A host key is accepted for one instance at a time.'
        : all && this.words.length > 0
          ? '--all leaves no instance to be named.'
          : null;
    if (problem !== null)
      throw new ForgeError(problem, { code: 'USAGE', exit: EXIT.usage, hint: 'Name one instance.' });
  }

  private async everyInstance(): Promise<Instance[]> {
    const instances = await (await this.context.vast()).instances.list();
    if (instances.length === 0) this.context.reporter.info('You have no instances.');
    return instances;
  }

  private async look(
    deps: RepairDependencies,
    instance: Instance,
    account: Parameters<typeof diagnose>[2],
  ): Promise<Diagnosis> {
    const stage = deps.reporter?.stage('look', `Looking at the keys of instance ${instance.id}`);
    try {
      const diagnosis = await diagnose(deps, instance, account);
      stage?.done(`Looked at the keys of instance ${instance.id}`);
      return diagnosis;
    } catch (error) {
      stage?.failed();
      throw error;
    }
  }

  /** All questions before the first change. */
  private async repairAll(deps: RepairDependencies, rows: RepairRow[]): Promise<void> {
    const accepted = new Set<RepairRow>();
    for (const row of rows) if (await this.accepts(row.diagnosis)) accepted.add(row);
    let first: ForgeError | null = null;
    let isOnAccount = false;
    for (const row of rows) {
      if (row.diagnosis === null) continue;
      const diagnosis = isOnAccount ? { ...row.diagnosis, onAccount: true } : row.diagnosis;
      const { steps, error } = await repairKeys(deps, diagnosis, { acceptHostKey: accepted.has(row) });
      isOnAccount ||= steps.some(({ step, state }) => step === 'account' && state === 'fixed');
      row.steps = steps;
      this.answer(repairText(row));
      if (error === null) continue;
      first = error;
      row.error = { code: error.code, message: error.message, hint: error.hint, exit: error.exit };
      if (rows.length > 1 && error.hint !== null) this.context.reporter.warn(error.hint);
    }
    this.settle(rows, first);
  }

  private async accepts(diagnosis: Diagnosis | null): Promise<boolean> {
    if (diagnosis === null || diagnosis.hostKey === null) return false;
    if (this.flags['accept-host-key']) return true;
    const { prompts, terminal, reporter } = this.context;
    if (diagnosis.hostKey.named === false || this.flags.yes || !terminal.canPrompt) return false;
    const { pinned, shown, named } = diagnosis.hostKey;
    reporter.info(`Instance ${diagnosis.instance.id} was known by ${pinned} and shows ${shown}. ${voucher(named)}`);
    return prompts.confirm(`Accept ${shown}?`);
  }

  private settle(rows: readonly RepairRow[], error: ForgeError | null): void {
    if (rows.length > 1 && rows.some((row) => row.error !== null)) process.exitCode = EXIT.partlyFailed;
    const [row] = rows;
    if (rows.length !== 1 || error === null || row === undefined) return;
    throw new ForgeError(error.message, {
      code: error.code,
      exit: error.exit,
      hint: error.hint,
      cause: error,
      details: { ...error.details, ...repairDocument(row), error: undefined, instance_id: row.instance.id },
    });
  }
}
