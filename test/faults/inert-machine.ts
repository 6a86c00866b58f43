import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine, MachineAddresses, MachineSpec } from '../../src/sandbox/machine/contract.ts';

/** Nothing listens here; a launch that waits for the API alone never asks. */
const NOWHERE: MachineAddresses = { host: '127.0.0.1', sshPort: 1, proxyPort: 1, published: { 22: 1 } };

/** A machine in which nothing runs: for hundreds of launches whose subject is the contract, not the container. */
export function openInertMachine(spec: MachineSpec): Machine {
  return {
    spec,
    create: async () => void (await mkdir(join(spec.directory, 'root'), { recursive: true })),
    start: async () => NOWHERE,
    stop: async () => {},
    reboot: async () => NOWHERE,
    recycle: async () => NOWHERE,
    destroy: () => rm(spec.directory, { recursive: true, force: true }),
    setAuthorizedKeys: async () => {},
    consoleLog: async () => 'the container says nothing\n',
    execute: async () => null,
    diskUsageBytes: async () => 0,
  };
}
