import { Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { instancesArg } from '../../cli/flags.js';
import { localKeys } from '../../cli/key-access.js';
import { type KeyRow, keyDocument, keyRows, keyTable } from '../../cli/key-rows.js';
import { selectInstances } from '../../cli/select-instances.js';
import type { LocalKey } from '../../ssh/local-keys.js';
import type { InstanceSshKey } from '../../vast/model.js';

export default class KeysLs extends BaseCommand<typeof KeysLs> {
  static override description =
    'List the SSH keys of the account: fingerprint, comment, where the private half is on this computer, and on which instances it is.';
  static override strict = false;
  static override args = { instance: instancesArg };
  static override flags = {
    instances: Flags.boolean({ description: 'Also say which keys are on which of your instances.' }),
  };
  static override examples = [
    { description: 'Keys of the account', command: '<%= config.bin %> keys ls' },
    { description: 'And which instances have them', command: '<%= config.bin %> keys ls --instances' },
    { description: 'Who may log in to one instance', command: '<%= config.bin %> keys ls my-forge' },
  ];

  async run(): Promise<Record<string, unknown>[]> {
    const vast = await this.context.vast();
    const account = await vast.sshKeys.list();
    const instances = await this.keysOfInstances();
    const local = await localKeys(this.context);
    const rows = keyRows({ account, instances, local });
    if (rows.length > 0) this.answer(await keyTable(rows, this.context));
    this.explain(rows, local.login);
    return rows.map(keyDocument);
  }

  /** Null when nobody has asked: each instance is one call. */
  private async keysOfInstances(): Promise<Map<number, InstanceSshKey[]> | null> {
    if (!this.flags.instances && this.words.length === 0) return null;
    const { instances } = await this.context.vast();
    const all = await instances.list();
    const { selfId } = this.context;
    const chosen = this.words.length === 0 ? all : selectInstances(all, { names: this.words, selfId });
    const found = new Map<number, InstanceSshKey[]>();
    for (const { id } of chosen) found.set(id, await instances.listKeys(id));
    return found;
  }

  private explain(rows: readonly KeyRow[], login: LocalKey | null): void {
    const { reporter } = this.context;
    if (rows.length === 0) reporter.info('The account has no SSH key. forgectl keys add puts one there.');
    if (rows.some(({ isLogin }) => isLogin)) reporter.info('* forgectl logs in with this one.');
    if (login !== null && !rows.some(({ id, isLogin }) => id !== null && isLogin))
      reporter.info(`The key that forgectl logs in with (${login.where}) is not on the account: forgectl keys add`);
  }
}
