import { Args } from '@oclif/core';
import type { AvoidedHost } from '../workflows/avoided-hosts.js';

export const machineArg = Args.integer({
  description: 'The machine id, as offers, show and hosts ls print it.',
  required: true,
});

export function hostDocument(host: AvoidedHost): Record<string, unknown> {
  return {
    machine_id: host.machineId,
    reason: host.reason,
    since: host.since,
    until: host.until,
    failures: host.failures,
    gpu_name: host.gpuName,
    by: host.by,
  };
}
