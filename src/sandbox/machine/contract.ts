/**
 * What the pretend API (../vast-api) asks of a pretend machine. A machine is a directory in which things really run.
 * The API side owns contracts, money and statuses; the machine side owns the directory, its processes and its SSH server.
 */
export interface MachineSpec {
  /** Contract id: the machine's name, CONTAINER_ID. */
  id: number;
  /** A directory of this machine's own; created by create(), removed by destroy(). */
  directory: string;
  /** docker image reference, e.g. vastai/forge:… ; decides nothing but what the machine says of itself. */
  image: string;
  /** As sent: ssh_direct, "ssh_direc ssh_proxy", jupyter_direct, args… */
  runtype: string;
  /** Variables only; port flags are already taken out. */
  env: Record<string, string>;
  /** Container ports from "-p" flags and EXPOSE, e.g. [1111, 7860, 8080]. Identity ports (>= 70000) included. */
  ports: number[];
  onstart: string;
  gpu: { name: string; count: number; ramMb: number; driver: string };
  diskGb: number;
  /** Keys that may log in directly (instance keys) at start; setAuthorizedKeys changes them later. */
  authorizedKeys: string[];
  jupyterToken: string;
  instanceApiKey: string;
  /** Base URL of the sandbox's HTTP server: provisioning scripts of the known public addresses are fetched from `${sandboxUrl}/internet/<encodeURIComponent(url)>`. */
  sandboxUrl: string;
  /** How many times faster than the wall clock the sandbox runs. Simulated waits (model download, boot stages) are divided by it. */
  timeScale: number;
  /** Somebody else answers at its address: the login shows a host key that the machine does not have. */
  showsForeignHostKey?: boolean;
}

/** Where a running machine can be reached on this computer. */
export interface MachineAddresses {
  host: string;
  /** Direct sshd. */
  sshPort: number;
  /** The provider's ssh proxy: accepts account keys; the API publishes `proxyPort` (or minus 1 for jupyter runtypes). */
  proxyPort: number;
  /** Container port -> port on this computer that is published for it (22 included). */
  published: Record<number, number>;
}

/** What the host's daemons are to copy, as `rsync -a` does. */
export interface HostCopy {
  /** As the call names them: container paths, a slash at the end of the source for its contents alone. */
  sourcePath: string;
  destinationPath: string;
  bytesPerS: number;
  signal: AbortSignal;
  onTotal: (bytes: number) => void;
  onBytes: (bytes: number) => void;
}

export interface Machine {
  readonly spec: MachineSpec;
  /** Where its files lie on this computer, also while it is stopped; left out when they cannot be reached from here. */
  readonly filesRoot?: string;
  /** For those without filesRoot. Rejects when it ended early, of which the platform says nothing. */
  copyInto?(other: Machine, copy: HostCopy): Promise<void>;
  /** Lays out the directory as the image has it. */
  create(): Promise<void>;
  /** Starts sshd and, through onstart, the boot stages. Resolves when sshd listens, not when Forge is up. */
  start(): Promise<MachineAddresses>;
  /** Ends every process of the machine; keeps the directory. */
  stop(): Promise<void>;
  /** stop() and start() with the same directory. */
  reboot(): Promise<MachineAddresses>;
  /** Resets the directory to the image's state; new host key, new ports. */
  recycle(): Promise<MachineAddresses>;
  /** Ends everything and removes the directory. */
  destroy(): Promise<void>;
  /** Every SSH connection breaks off, as when the network between fails; new ones are accepted. */
  cutConnections?(): void;
  setAuthorizedKeys(instanceKeys: string[], accountKeys: string[]): Promise<void>;
  /** What `docker logs` would give: stdout of onstart, boot and services. */
  consoleLog(): Promise<string>;
  /** For `du`, `ls`, `rm` of the execute call, also while stopped; null when the command is not allowed. Paths in the output carry `prefix`. */
  execute(command: string, prefix: string): Promise<string | null>;
  /** Bytes on disk, for disk_usage. */
  diskUsageBytes(): Promise<number>;
}

/** Opens what create() laid out earlier (after a restart of the sandbox process), or prepares a new one. */
export type OpenMachine = (spec: MachineSpec, log: (line: string) => void) => Machine;
