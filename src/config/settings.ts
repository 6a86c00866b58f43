import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import type { Paths } from './paths.js';

/** What can be set once instead of with a flag each time. The environment names are those of the flags. */
export interface SettingValues {
  gpu: string | null;
  num_gpus: number;
  max_price: number | null;
  disk: number;
  region: string | null;
  reliability: number;
  template: string | null;
  provisioning: string | null;
  ssh_key: string | null;
  /** Seconds, wall time. */
  api_timeout: number;
}

export type SettingKey = keyof SettingValues;
export type SettingOrigin = 'environment' | 'file' | 'default';

interface Declaration<K extends SettingKey> {
  default: SettingValues[K];
  description: string;
  /** Reads what was typed; returns an explanation when it cannot be used. */
  parse: (text: string) => { value: SettingValues[K] } | { problem: string };
}

const text = (value: string): { value: string } | { problem: string } =>
  value.trim() === '' ? { problem: 'is empty' } : { value: value.trim() };

const number =
  (least: number, most: number, whole = false) =>
  (typed: string): { value: number } | { problem: string } => {
    const value = Number(typed);
    const good =
      typed.trim() !== '' &&
      Number.isFinite(value) &&
      value >= least &&
      value <= most &&
      (!whole || Number.isInteger(value));
    return good ? { value } : { problem: `is not a ${whole ? 'whole ' : ''}number from ${least} to ${most}` };
  };

const DECLARATIONS: { [K in SettingKey]: Declaration<K> } = {
  gpu: { default: null, description: 'GPU model to search for', parse: text },
  num_gpus: { default: 1, description: 'Number of GPUs', parse: number(1, 64, true) },
  max_price: { default: null, description: 'Most to pay, $/hour', parse: number(0.001, 1000) },
  disk: { default: 50, description: 'Disk of a new machine, GB', parse: number(8, 100_000) },
  region: { default: null, description: 'Regions or country codes', parse: text },
  reliability: { default: 0.95, description: 'Least reliability of a host, 0 to 1', parse: number(0, 1) },
  template: { default: null, description: 'Template by name, hash or id', parse: text },
  provisioning: { default: null, description: 'Script for the first start (URL), or none', parse: text },
  ssh_key: { default: null, description: 'Private key to log in with', parse: text },
  api_timeout: { default: 60, description: 'Wait for an answer of the API, seconds', parse: number(0.2, 600) },
};

export interface SettingEntry {
  key: string;
  value: string | number | null;
  origin: SettingOrigin | 'file, unknown to this version';
  description: string;
}

export class Settings {
  private readonly file: string;
  private readonly env: NodeJS.ProcessEnv;
  private readonly stored: Record<string, unknown>;
  private readonly directory: string;

  constructor(paths: Paths, env: NodeJS.ProcessEnv) {
    this.directory = paths.configDir;
    this.file = join(paths.configDir, 'settings.json');
    this.env = env;
    this.stored = readJsonFile(this.file);
  }

  get<K extends SettingKey>(key: K): SettingValues[K] {
    return this.look(key).value;
  }

  /** Throws wrong usage when the key is not known. */
  entry(key: string): SettingEntry {
    const known = knownKey(key);
    const { value, origin } = this.look(known);
    return { key: known, value, origin, description: DECLARATIONS[known].description };
  }

  entries(): SettingEntry[] {
    const known = (Object.keys(DECLARATIONS) as SettingKey[]).map((key) => this.entry(key));
    const unknown = Object.entries(this.stored)
      .filter(([key]) => !Object.hasOwn(DECLARATIONS, key))
      .map(([key, value]) => ({
        key,
        value: typeof value === 'number' ? value : String(value),
        origin: 'file, unknown to this version' as const,
        description: '',
      }));
    return [...known, ...unknown];
  }

  /** What `set` would make of it; throws wrong usage as `set` does. */
  check(key: string, typed: string): SettingEntry {
    const known = knownKey(key);
    return {
      key: known,
      value: this.parsed(known, typed, 'the command line'),
      origin: 'file',
      description: DECLARATIONS[known].description,
    };
  }

  async set(key: string, typed: string): Promise<void> {
    const known = knownKey(key);
    const parsed = DECLARATIONS[known].parse(typed);
    if ('problem' in parsed) throw badValue(known, typed, parsed.problem, 'the command line');
    await this.store((file) => file.set(known, parsed.value));
    this.stored[known] = parsed.value;
  }

  async unset(key: string): Promise<void> {
    const known = knownKey(key);
    await this.store((file) => file.delete(known));
    delete this.stored[known];
  }

  private look<K extends SettingKey>(key: K): { value: SettingValues[K]; origin: SettingOrigin } {
    const declaration = DECLARATIONS[key] as Declaration<K>;
    const variable = `FORGECTL_${key.toUpperCase()}`;
    const fromEnv = this.env[variable];
    if (fromEnv !== undefined && fromEnv !== '')
      return { value: this.parsed(key, fromEnv, variable), origin: 'environment' };
    const fromFile = this.stored[key];
    if (fromFile !== undefined && fromFile !== null)
      return { value: this.parsed(key, String(fromFile), this.file), origin: 'file' };
    return { value: declaration.default, origin: 'default' };
  }

  private parsed<K extends SettingKey>(key: K, typed: string, where: string): SettingValues[K] {
    const parsed = (DECLARATIONS[key] as Declaration<K>).parse(typed);
    if ('problem' in parsed) throw badValue(key, typed, parsed.problem, where);
    return parsed.value;
  }

  /** conf loads a JSON-schema compiler; reading does not need it, so only writing pays for it. */
  private async store(
    change: (file: { set(key: string, value: unknown): void; delete(key: string): void }) => void,
  ): Promise<void> {
    const { default: Conf } = await import('conf');
    const { mkdirSync } = await import('node:fs');
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    change(
      new Conf<Record<string, unknown>>({
        cwd: this.directory,
        configName: 'settings',
        configFileMode: 0o600,
        projectName: 'forgectl',
      }) as never,
    );
  }
}

export function loadSettings(options: { paths: Paths; env: NodeJS.ProcessEnv }): Settings {
  return new Settings(options.paths, options.env);
}

/** An absent file is empty; a broken one is an error, because the defaults might spend more than the user allowed. */
export function readJsonFile(file: string): Record<string, unknown> {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new ForgeError(`The file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, {
      code: 'SETTINGS_FILE',
      exit: EXIT.usage,
      hint: 'Check its owner and mode.',
      cause: error,
    });
  }
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // falls through to the same message
  }
  throw new ForgeError(`The file ${file} is not a JSON object.`, {
    code: 'SETTINGS_FILE',
    exit: EXIT.usage,
    hint: `Mend it, or remove it: rm '${file}'`,
  });
}

function knownKey(key: string): SettingKey {
  const name = key.replaceAll('-', '_');
  if (Object.hasOwn(DECLARATIONS, name)) return name as SettingKey;
  throw new ForgeError(`There is no setting "${key}".`, {
    code: 'UNKNOWN_SETTING',
    exit: EXIT.usage,
    hint: `Settings: ${Object.keys(DECLARATIONS).join(', ')}`,
  });
}

function badValue(key: string, typed: string, problem: string, where: string): ForgeError {
  return new ForgeError(`The setting ${key} in ${where} ${problem}: "${typed}".`, {
    code: 'BAD_SETTING',
    exit: EXIT.usage,
    hint: 'forgectl config ls shows all settings.',
  });
}
