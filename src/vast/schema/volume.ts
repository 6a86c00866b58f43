import * as z from 'zod/mini';
import type { Volume } from '../model.js';
import { epochMs, id, nullableNumber, nullableText, reader } from './fields.js';

/** Attached to `instances`, or to nothing; billed until it is deleted (vast-api 9.3). */
const volumeSchema = z.pipe(
  z.object({
    id,
    label: nullableText,
    status: nullableText,
    disk_space: nullableNumber,
    storage_cost: nullableNumber,
    machine_id: nullableNumber,
    instances: z.optional(z.unknown()),
    start_date: epochMs,
  }),
  z.transform(
    (row): Volume => ({
      id: row.id,
      label: row.label,
      status: row.status,
      diskSpaceGb: row.disk_space,
      storageCostPerGbMonth: row.storage_cost,
      machineId: row.machine_id,
      instanceIds: Array.isArray(row.instances) ? row.instances.map(Number).filter(Number.isFinite) : [],
      startDateMs: row.start_date,
    }),
  ),
);

export const readVolumes = reader(z.object({ volumes: z.array(volumeSchema) }));
