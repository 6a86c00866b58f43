import * as z from 'zod/mini';
import type { Template } from '../model.js';
import { flag, id, nullableNumber, nullableScript, nullableText, reader, text } from './fields.js';

const templateSchema = z.pipe(
  z.object({
    id,
    hash_id: text,
    name: text,
    image: text,
    tag: nullableText,
    env: nullableScript,
    onstart: nullableScript,
    runtype: nullableText,
    ssh_direct: flag,
    jup_direct: flag,
    use_ssh: flag,
    recommended: flag,
    recommended_disk_space: nullableNumber,
    creator_id: nullableNumber,
  }),
  z.transform(
    (row): Template => ({
      id: row.id,
      hashId: row.hash_id,
      name: row.name,
      image: row.image,
      tag: row.tag,
      env: row.env ?? '',
      onstart: row.onstart ?? '',
      runtype: row.runtype,
      sshDirect: row.ssh_direct,
      jupDirect: row.jup_direct,
      useSsh: row.use_ssh,
      recommended: row.recommended,
      recommendedDiskSpaceGb: row.recommended_disk_space,
      creatorId: row.creator_id,
    }),
  ),
);

export const readTemplates = reader(z.object({ templates: z.array(templateSchema) }));
