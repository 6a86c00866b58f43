const GIB = 1024 ** 3;

export interface LabHostOptions {
  /** The contract's number; CONTAINER_ID. */
  id?: number;
  /** Machines of one world differ in it. Made up when it is left out. */
  name?: string;
  /** Public lines that may log in. */
  keys?: readonly string[];
  /** More variables of the container. */
  env?: Record<string, string>;
  /** Container ports that are published, beside 22. From 70000 on nothing is passed on: the machine itself listens there. */
  ports?: readonly number[];
  runtype?: string;
  onstart?: string;
  /** How much faster than on a real machine the image's waits pass (boot stages, loading of a model). */
  timeScale?: number;
  /** Memory is taken only for what is written. */
  diskBytes?: number;
  /** Where its curl asks for what lies in the internet; reachable from the bridge. */
  sandboxUrl?: string;
  token?: string;
  apiKey?: string;
  gpuCount?: number;
  /** Its disk outlives this process, for a sandbox that is started again. The world's end takes it. */
  keep?: boolean;
}

export type HostSettings = Required<Omit<LabHostOptions, 'name'>>;

export const DEFAULTS: HostSettings = {
  id: 4242,
  keys: [],
  env: {},
  ports: [1111, 7860, 8080, 8384],
  runtype: 'ssh_direct',
  onstart: 'entrypoint.sh',
  timeScale: 20,
  diskBytes: 8 * GIB,
  sandboxUrl: 'http://10.213.0.1:9',
  token: 'lab-token',
  apiKey: 'lab-key',
  gpuCount: 1,
  keep: false,
};
