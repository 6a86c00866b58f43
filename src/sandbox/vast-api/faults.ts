import type { Contract, World } from '../world.js';

/** Faults that can be switched on by name. `match` narrows them to a route or a contract, `count` to the next few times. */
export interface Fault {
  name: FaultName;
  /** For faults of answers: "PUT /api/v0/asks/{id}/". */
  route?: string;
  instance_id?: number;
  /** Left times; absent means for ever. */
  count?: number;
  /** For http-status: which. For fatal-status-msg: the text. */
  status?: number;
  message?: string;
}

export const FAULT_NAMES = [
  'http-status',
  'garbage',
  'success-false',
  'hang',
  'close-before',
  'close-after',
  'offer-gone',
  'stuck-loading',
  'status-exited',
  'status-offline',
  'fatal-status-msg',
  'key-not-applied',
  'no-ports',
  'error-with-contract',
  'foreign-host-key',
  'copy-refused',
  'copy-hangs',
  'copy-fails',
] as const;
export type FaultName = (typeof FAULT_NAMES)[number];

export class FaultList {
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  get all(): Fault[] {
    return this.world.state.faults as unknown as Fault[];
  }

  add(fault: Fault): void {
    this.world.state.faults.push({ ...fault });
    this.world.save();
  }

  clear(): void {
    this.world.state.faults.length = 0;
    this.world.save();
  }

  /** A fault of this name for this contract; uses up one of its count. */
  applies(name: FaultName, contract: Contract): Fault | null {
    return this.take(
      (fault) => fault.name === name && (fault.instance_id === undefined || fault.instance_id === contract.id),
    );
  }

  /** The first fault of the answers that fits the call. */
  ofCall(method: string, route: string): Fault | null {
    const answers: FaultName[] = [
      'http-status',
      'garbage',
      'success-false',
      'hang',
      'close-before',
      'close-after',
      'offer-gone',
      'error-with-contract',
    ];
    return this.take(
      (fault) =>
        answers.includes(fault.name) &&
        (fault.route === undefined ? !route.startsWith('/sandbox') : fault.route === `${method} ${route}`),
    );
  }

  /** What a host reports instead of running. */
  fatalStatus(contract: Contract): { phase: Contract['phase'] | null; message: string | null } | null {
    const text = this.applies('fatal-status-msg', contract);
    if (text !== null)
      return {
        phase: 'created',
        message:
          text.message ??
          'Error response from daemon: failed to create task: OCI runtime create failed: unsatisfied condition: cuda>=12.8',
      };
    if (this.applies('status-exited', contract) !== null) return { phase: 'exited', message: null };
    return this.applies('status-offline', contract) === null ? null : { phase: 'offline', message: null };
  }

  private take(fits: (fault: Fault) => boolean): Fault | null {
    const fault = this.all.find(fits);
    if (fault === undefined) return null;
    if (fault.count !== undefined) {
      fault.count -= 1;
      if (fault.count <= 0) this.all.splice(this.all.indexOf(fault), 1);
      this.world.save();
    }
    return fault;
  }
}
