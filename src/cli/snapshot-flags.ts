import { Flags } from '@oclif/core';

/** The folder that snapshots are in. */
export const folderFlag = Flags.string({
  description:
    'Folder of the snapshots: here, or INSTANCE:PATH. ~/forgectl-snapshots when left out; it may be copied and moved.',
  aliases: ['to', 'from'],
  env: 'FORGECTL_SNAPSHOT_DIR',
  helpValue: 'DIR',
});
