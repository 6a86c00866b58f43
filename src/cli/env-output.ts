import type { DotenvFile } from '../instance/dotenv/dotenv-file.js';
import type { MachineEnvironment } from '../instance/dotenv/dotenv-script.js';
import { hideCredentials } from '../instance/forge-args.js';
import { isSecret, redactSecrets } from '../secrets/redact.js';
import type { TableColumn } from '../ui/table.js';

type Origin = 'dotenv' | 'etc_environment' | 'account';

export interface VariableRow {
  name: string;
  /** As it may be shown: null when it is hidden, or when nobody tells it. */
  value: string | null;
  isHidden: boolean;
  origin: Origin;
  /** The one that a service reads; false for what another origin covers, or what is not on this machine. */
  wins: boolean;
}

/** What .env sets, as a shell reads it. */
export function dotenvRows(file: DotenvFile, found: MachineEnvironment, reveal: boolean): VariableRow[] {
  const assigned = file.entries().map(({ name }) => name);
  const other = [...found.loaded].filter(([name, value]) => found.image.get(name) !== value).map(([name]) => name);
  return [...new Set([...assigned, ...other])].map((name) => {
    const isLoaded = found.loaded.has(name);
    const value = found.loaded.get(name) ?? file.entries().findLast((entry) => entry.name === name)?.value ?? null;
    return { name, ...shown(name, value, reveal), origin: 'dotenv', wins: isLoaded };
  });
}

/** All three origins, by name. `account` is null when the key may not look. */
export function originRows(
  own: readonly VariableRow[],
  found: MachineEnvironment,
  { account, launched, reveal }: { account: readonly string[]; launched: ReadonlyMap<string, string>; reveal: boolean },
): VariableRow[] {
  const covered = new Set(own.map(({ name }) => name));
  const image = [...found.image].map(([name, value]): VariableRow => {
    const isFromAccount = account.includes(name) && launched.get(name) !== value;
    const origin = isFromAccount ? 'account' : 'etc_environment';
    return { name, ...shown(name, value, reveal), origin, wins: !covered.has(name) };
  });
  const elsewhere = account
    .filter((name) => !found.image.has(name))
    .map((name): VariableRow => ({ name, value: null, isHidden: true, origin: 'account', wins: false }));
  const order: Origin[] = ['dotenv', 'etc_environment', 'account'];
  return [...own, ...image, ...elsewhere].sort(
    (one, other) => one.name.localeCompare(other.name) || order.indexOf(one.origin) - order.indexOf(other.origin),
  );
}

function shown(name: string, value: string | null, reveal: boolean): { value: string | null; isHidden: boolean } {
  if (reveal || value === null || value === '') return { value, isHidden: false };
  const redacted = redactSecrets(hideCredentials(value));
  // An address or a line is shown without the secret in it; a value that is one is not shown at all.
  if (isSecret(name, redacted)) return { value: null, isHidden: true };
  return { value: redacted, isHidden: redacted !== value };
}

export function variableDocument({ name, value, isHidden, origin, wins }: VariableRow): Record<string, unknown> {
  return { name, value, hidden: isHidden, origin, wins };
}

const ORIGIN_WORDS: Record<Origin, string> = {
  dotenv: '.env',
  etc_environment: '/etc/environment',
  account: 'account',
};

/** Longer values would push everything else off the screen; a pipe (no width) gets them whole. */
export function variableColumns(
  rows: readonly VariableRow[],
  options: { withOrigin: boolean; width: number | null },
): TableColumn<VariableRow>[] {
  const others = Math.max(4, ...rows.map(({ name }) => name.length)) + 2 + (options.withOrigin ? 24 : 0);
  const widest = options.width === null ? null : Math.max(20, options.width - others);
  const value = (row: VariableRow): string => {
    if (row.value === null) return row.origin === 'account' && !row.wins ? '(not told)' : '(hidden)';
    const line = row.value.replace(/\r?\n/gu, '⏎');
    return widest !== null && line.length > widest ? `${line.slice(0, widest - 1)}…` : line;
  };
  const columns: TableColumn<VariableRow>[] = [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'VALUE', value },
  ];
  if (!options.withOrigin) return columns;
  return [
    ...columns,
    { header: 'ORIGIN', value: ({ origin }) => ORIGIN_WORDS[origin] },
    { header: 'WINS', value: ({ wins }) => (wins ? 'yes' : 'no') },
  ];
}
