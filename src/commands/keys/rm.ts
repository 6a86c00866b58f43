import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags } from '../../cli/flags.js';
import { localKeys } from '../../cli/key-access.js';
import { refuseLoginKey, selectKeys } from '../../cli/key-removal.js';
import { type KeyRow, keyDocument, keyName, keyRows } from '../../cli/key-rows.js';
import { selectInstances } from '../../cli/select-instances.js';
import { EXIT, ForgeError } from '../../errors.js';

/** Where keys are taken from: the account, or one instance. */
interface Place {
  name: string;
  list(): Promise<{ id: number | null; publicKey: string }[]>;
  remove(keyId: number): Promise<void>;
}

export default class KeysRm extends BaseCommand<typeof KeysRm> {
  static override description =
    'Remove SSH keys from the account, or with --instance from one instance only. Private halves are not touched.';
  static override strict = false;
  static override args = {
    key: Args.string({
      description: 'Keys, each by number, fingerprint (or a start of it) or comment.',
      required: true,
    }),
  };
  static override flags = {
    instance: Flags.string({
      description: 'Take it from this instance only.',
      helpValue: 'INSTANCE',
    }),
    force: Flags.boolean({ description: 'Also the key that forgectl itself logs in with.' }),
    ...changeFlags,
  };
  static override examples = [
    { description: 'By number, as in keys ls', command: '<%= config.bin %> keys rm 1234' },
    { description: 'By fingerprint', command: '<%= config.bin %> keys rm SHA256:Qm8pUd --yes' },
    { description: 'From one instance', command: '<%= config.bin %> keys rm colleague --instance my-forge' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const place = this.flags.instance === undefined ? await this.account() : await this.instance(this.flags.instance);
    const local = await localKeys(this.context);
    const account = (await place.list()).map((key) => ({ ...key, createdAt: null }));
    const chosen = selectKeys(keyRows({ account, instances: null, local }), this.words);
    if (!this.flags.force) refuseLoginKey(chosen, place.name);
    else if (chosen.some(({ isLogin }) => isLogin))
      this.context.reporter.warn('forgectl itself logs in with this key.');
    if (this.flags['dry-run']) {
      for (const row of chosen) this.answer(`Would remove ${keyName(row)} from ${place.name}.`);
      return this.document(place, chosen, new Map());
    }
    await this.confirm(place, chosen);
    const failures = new Map<KeyRow, ForgeError>();
    for (const row of chosen) await this.remove(place, row, failures);
    if (failures.size > 0) process.exitCode = EXIT.partlyFailed;
    return this.document(place, chosen, failures);
  }

  private async account(): Promise<Place> {
    const { sshKeys } = await this.context.vast();
    return { name: 'the account', list: () => sshKeys.list(), remove: (id) => sshKeys.remove(id) };
  }

  private async instance(name: string): Promise<Place> {
    const { instances } = await this.context.vast();
    const [found] = selectInstances(await instances.list(), { names: [name], selfId: this.context.selfId });
    if (found === undefined) throw new Error('selectInstances gave nothing for one name');
    return {
      name: `instance ${found.id}`,
      list: () => instances.listKeys(found.id),
      remove: (id) => instances.detachKey(found.id, id),
    };
  }

  private async confirm(place: Place, chosen: readonly KeyRow[]): Promise<void> {
    if (this.flags.yes) return;
    const { prompts, terminal, reporter } = this.context;
    if (!terminal.canPrompt) throw prompts.needAnswer(['--yes'], 'A confirmation');
    for (const row of chosen) reporter.info(`  ${keyName(row)}`);
    if (await prompts.confirm(`Remove ${chosen.length === 1 ? 'it' : `these ${chosen.length}`} from ${place.name}?`))
      return;
    throw new ForgeError('Nothing was changed.', { code: 'CANCELLED', exit: EXIT.interrupted });
  }

  /** Whatever the call has answered: what the list says afterwards counts. */
  private async remove(place: Place, row: KeyRow, failures: Map<KeyRow, ForgeError>): Promise<void> {
    try {
      await removeAndConfirm(place, row);
      this.answer(`Removed ${keyName(row)} from ${place.name}.`);
    } catch (error) {
      this.context.interruption.signal.throwIfAborted();
      if (!(error instanceof ForgeError) || this.words.length < 2) throw error;
      failures.set(row, error);
      this.context.reporter.warn(`${keyName(row)}: ${error.message}`);
    }
  }

  private document(
    place: Place,
    chosen: readonly KeyRow[],
    failures: ReadonlyMap<KeyRow, ForgeError>,
  ): Record<string, unknown> {
    const dryRun = this.flags['dry-run'];
    return {
      dry_run: dryRun,
      from: place.name,
      keys: chosen.map((row) => {
        const { id, fingerprint, comment } = keyDocument(row);
        const error = failures.get(row);
        const told = error === undefined ? null : { code: error.code, message: error.message, exit: error.exit };
        return { id, fingerprint, comment, removed: !dryRun && error === undefined, error: told };
      }),
    };
  }
}

async function removeAndConfirm(place: Place, row: KeyRow): Promise<void> {
  const { id } = row;
  if (typeof id !== 'number') {
    throw new ForgeError(`${keyName(row)} has no number in ${place.name}, so the API cannot remove it.`, {
      code: 'KEY_WITHOUT_ID',
      exit: EXIT.apiFailed,
    });
  }
  const failure = await place.remove(id).then(
    () => null,
    (error: unknown) => error,
  );
  const left = await place.list().catch((error: unknown) => {
    throw failure ?? error;
  });
  if (left.every((key) => key.id !== id)) return;
  throw (
    failure ??
    new ForgeError(`The API has taken the removal of ${keyName(row)}, and lists the key still.`, {
      code: 'KEY_NOT_REMOVED',
      exit: EXIT.apiFailed,
      hint: 'Look again in a minute: forgectl keys ls',
    })
  );
}
