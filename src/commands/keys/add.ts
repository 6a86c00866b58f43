import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags } from '../../cli/flags.js';
import { ownPublicKey } from '../../cli/key-access.js';
import { readPublicKey } from '../../cli/public-key-input.js';
import { EXIT, ForgeError } from '../../errors.js';
import { isSameKey } from '../../ssh/identity.js';
import type { PublicKey } from '../../ssh/public-key.js';
import { cleanLine } from '../../ui/sanitize.js';

export default class KeysAdd extends BaseCommand<typeof KeysAdd> {
  static override description =
    "Put a public SSH key on the account, for machines to come and the provider's proxy. Without a file: forgectl's own key, which is made when it does not exist.";
  static override args = {
    file: Args.string({
      description:
        'File with a public key, or "-" for stdin. Of a private key the .pub beside it is used; alone it is refused.',
    }),
  };
  static override flags = { ...changeFlags };
  static override examples = [
    { description: "forgectl's own key", command: '<%= config.bin %> keys add' },
    { description: 'A key that you have', command: '<%= config.bin %> keys add ~/.ssh/id_ed25519.pub' },
    { description: 'From a pipe', command: 'ssh-add -L | head -1 | <%= config.bin %> keys add -' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const dryRun = this.flags['dry-run'];
    const { file } = this.args;
    const key =
      file === undefined ? await ownPublicKey(this.context, !dryRun) : await readPublicKey(this.context, file);
    if (key === null) {
      this.answer("Would make forgectl's own key and put it on the account.");
      return { dry_run: true, id: null, added: false, fingerprint: null, type: null, comment: null };
    }
    const before = await this.find(key);
    if (before !== null) this.answer(`${nameOf(key)} is on the account already (${before}).`);
    else if (dryRun) this.answer(`Would put ${nameOf(key)} on the account.`);
    const added = before === null && !dryRun ? await this.add(key) : null;
    return {
      dry_run: dryRun,
      id: added ?? before,
      added: added !== null,
      fingerprint: key.fingerprint,
      type: key.type,
      comment: key.comment === null ? null : cleanLine(key.comment),
    };
  }

  /** Whatever the call has answered: what the list says afterwards counts. */
  private async add(key: PublicKey): Promise<number> {
    const { sshKeys } = await this.context.vast();
    const failure = await sshKeys.add(key.line).then(
      () => null,
      (error: unknown) => error,
    );
    const id = await this.find(key).catch((error: unknown) => {
      throw failure ?? error;
    });
    if (id === null) throw failure ?? notAdded(nameOf(key));
    this.answer(
      `${nameOf(key)} is on the account now (${id}). For instances that exist: forgectl keys attach INSTANCE`,
    );
    return id;
  }

  /** The account's number for the key; null when it is not there. */
  private async find(key: PublicKey): Promise<number | null> {
    const { sshKeys } = await this.context.vast();
    return (await sshKeys.list()).find(({ publicKey }) => isSameKey(publicKey, key.core))?.id ?? null;
  }
}

function nameOf({ fingerprint, comment }: PublicKey): string {
  return [fingerprint, comment === null ? null : cleanLine(comment)].filter(Boolean).join(' ');
}

function notAdded(name: string): ForgeError {
  return new ForgeError(`The API has taken ${name}, and does not list it.`, {
    code: 'KEY_NOT_ADDED',
    exit: EXIT.apiFailed,
    hint: 'Look again in a minute: forgectl keys ls',
  });
}
