import { readFileSync } from 'node:fs';
import type { Clock } from '../clock.js';
import { writePrivateFile } from '../config/paths.js';
import { FileLock } from './file-lock.js';

/** A machine that is not rented for a while. */
export interface AvoidedHost {
  machineId: number;
  reason: string;
  /** ISO times. */
  since: string;
  until: string;
  /** How often it has failed launches of this computer. */
  failures: number;
  gpuName: string | null;
  /** The user's own word, or what a launch has seen. */
  by: 'user' | 'launch';
}

const HOUR_MS = 3_600_000;
const FIRST_BAN_MS = 6 * HOUR_MS;
const LONGEST_BAN_MS = 7 * 24 * HOUR_MS;
const LOCK_WAIT_MS = 5_000;

/** The memory of bad hosts of one context. Expired entries stay for a month, because a second failure weighs more. */
export class AvoidedHosts {
  private readonly file: string;
  private readonly clock: Clock;

  constructor(file: string, clock: Clock) {
    this.file = file;
    this.clock = clock;
  }

  /** What is avoided now, the longest first. */
  list(): AvoidedHost[] {
    const now = this.clock.now();
    return this.read()
      .filter(({ until }) => Date.parse(until) > now)
      .sort((one, other) => other.until.localeCompare(one.until));
  }

  /** A failed launch: six hours, then four times as long each time, at most a week. */
  async failed(machineId: number, { reason, gpuName }: { reason: string; gpuName: string }): Promise<AvoidedHost> {
    const failures = (this.read().find((host) => host.machineId === machineId)?.failures ?? 0) + 1;
    const ms = Math.min(LONGEST_BAN_MS, FIRST_BAN_MS * 4 ** (failures - 1));
    return this.put({ machineId, reason, ms, failures, gpuName, by: 'launch' });
  }

  async ban(machineId: number, { reason, ms }: { reason: string; ms: number }): Promise<AvoidedHost> {
    const known = this.read().find((host) => host.machineId === machineId);
    return this.put({
      machineId,
      reason,
      ms,
      failures: known?.failures ?? 0,
      gpuName: known?.gpuName ?? null,
      by: 'user',
    });
  }

  /** False when it was not avoided. */
  async unban(machineId: number): Promise<boolean> {
    const was = this.list().some((host) => host.machineId === machineId);
    await this.change((hosts) => hosts.filter((host) => host.machineId !== machineId));
    return was;
  }

  private async put(host: Omit<AvoidedHost, 'since' | 'until'> & { ms: number }): Promise<AvoidedHost> {
    const { ms, ...rest } = host;
    const now = this.clock.now();
    const entry = { ...rest, since: new Date(now).toISOString(), until: new Date(now + ms).toISOString() };
    await this.change((hosts) => [...hosts.filter(({ machineId }) => machineId !== host.machineId), entry]);
    return entry;
  }

  private async change(edit: (hosts: AvoidedHost[]) => AvoidedHost[]): Promise<void> {
    const lock = await FileLock.take(`${this.file}.lock`, 'hosts', LOCK_WAIT_MS);
    try {
      const forgotten = this.clock.now() - 30 * 24 * HOUR_MS;
      const hosts = edit(this.read()).filter(({ until }) => Date.parse(until) > forgotten);
      await writePrivateFile(this.file, `${JSON.stringify(hosts, null, 2)}\n`);
    } finally {
      lock?.release();
    }
  }

  /** A file that cannot be read is an empty one: it only ever makes a choice better. */
  private read(): AvoidedHost[] {
    try {
      const hosts = JSON.parse(readFileSync(this.file, 'utf8')) as AvoidedHost[];
      return Array.isArray(hosts) ? hosts.filter(({ machineId }) => typeof machineId === 'number') : [];
    } catch {
      return [];
    }
  }
}
