import { REDACTED, redactSecrets } from '../secrets/redact.js';
import { isTorchLine, normalizeName } from './requirements.js';

/** A line of `pip freeze`. */
export interface FrozenPackage {
  /** As pip compares names. */
  name: string;
  /** Null for what was installed from somewhere else than an index. */
  version: string | null;
  /** Without a password that was in its address. */
  line: string;
}

export interface FreezeDifference {
  added: FrozenPackage[];
  removed: FrozenPackage[];
  changed: { name: string; before: FrozenPackage; after: FrozenPackage }[];
}

/** What it takes to have a freeze again. */
export interface RestoreLines {
  install: FrozenPackage[];
  /** There now and not in the freeze. */
  extra: FrozenPackage[];
  /** Differ, and stay as they are. */
  impossible: { name: string; line: string; reason: string }[];
}

/** Packages that installers themselves need; a freeze does not always list them. */
const TOOLS = new Set(['pip', 'setuptools', 'wheel', 'uv', 'distribute']);

/** By name. What no name can be read from counts by its text. */
export function parseFreeze(text: string): FrozenPackage[] {
  const found = new Map<string, FrozenPackage>();
  for (const line of text.split(/\r?\n/u).map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const frozen = frozenOf(redactSecrets(line));
    found.set(frozen.name, frozen);
  }
  return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function frozenOf(line: string): FrozenPackage {
  const pinned = /^([A-Za-z0-9][\w.-]*)===?([^\s;]+)$/u.exec(line);
  if (pinned !== null) return { name: normalizeName(pinned[1] ?? ''), version: pinned[2] ?? '', line };
  const direct = /^([A-Za-z0-9][\w.-]*)\s{0,8}(?:\[[^\]]{0,512}\]\s{0,8})?@\s/u.exec(line);
  if (direct !== null) return { name: normalizeName(direct[1] ?? ''), version: null, line };
  const egg = /^(?:-e|--editable)\b.*#egg=([A-Za-z0-9][\w.-]*)/u.exec(line);
  return { name: egg === null ? line : normalizeName(egg[1] ?? ''), version: null, line };
}

export function diffFreezes(before: readonly FrozenPackage[], after: readonly FrozenPackage[]): FreezeDifference {
  const [old, fresh] = [byName(before), byName(after)];
  return {
    added: after.filter(({ name }) => !old.has(name)),
    removed: before.filter(({ name }) => !fresh.has(name)),
    changed: after.flatMap((now) => {
      const was = old.get(now.name);
      return was === undefined || was.line === now.line || sameVersion(was, now)
        ? []
        : [{ name: now.name, before: was, after: now }];
    }),
  };
}

export function isSameFreeze({ added, removed, changed }: FreezeDifference): boolean {
  return added.length === 0 && removed.length === 0 && changed.length === 0;
}

/** Only what differs; and of that, only what can be had again and does not belong to the card. */
export function planRestore(wanted: readonly FrozenPackage[], now: readonly FrozenPackage[]): RestoreLines {
  // pip lists its own tools at some times (--all, pip list) and not at others: one that is not told of is not missing.
  const told = new Set(now.map(({ name }) => name));
  const listed = wanted.filter(({ name }) => !TOOLS.has(name) || told.has(name));
  const { added, removed, changed } = diffFreezes(now, listed);
  const install: FrozenPackage[] = [];
  const impossible: RestoreLines['impossible'] = [];
  for (const frozen of [...added, ...changed.map(({ after }) => after)]) {
    const reason = whyNot(frozen);
    if (reason === null) install.push(frozen);
    else impossible.push({ name: frozen.name, line: frozen.line, reason });
  }
  return {
    install,
    extra: removed.filter((frozen) => canBeRemoved(frozen)),
    impossible,
  };
}

function canBeRemoved(frozen: FrozenPackage): boolean {
  return /^[a-z0-9][a-z0-9-]*$/u.test(frozen.name) && !TOOLS.has(frozen.name) && whyNotTouch(frozen) === null;
}

function whyNot(frozen: FrozenPackage): string | null {
  const { line } = frozen;
  const untouchable = whyNotTouch(frozen);
  if (untouchable !== null) return untouchable;
  if (/^(?:-e\b|--editable\b)/u.test(line)) return 'editable: it was installed from a folder that is not in the backup';
  if (/@\s{0,8}file:/iu.test(line)) return 'it came from a file of the machine that built it';
  if (line.includes(REDACTED)) return 'its address holds a password, which is kept nowhere';
  if (line.startsWith('-')) return 'an option of pip, not a package';
  if (frozen.version === null && !/@\s{0,8}(?:git\+)?(?:https|ssh):\/\//iu.test(line))
    return 'no index and no address to get it from';
  return null;
}

/** Builds that fit the card and its driver. */
function whyNotTouch({ name, line }: FrozenPackage): string | null {
  if (isTorchLine(line)) return 'torch stays: its build belongs to the card and its driver';
  if (/^(?:nvidia-|pytorch-triton|triton$)/u.test(name)) return 'it belongs to the torch build, which stays';
  return null;
}

function byName(freeze: readonly FrozenPackage[]): Map<string, FrozenPackage> {
  return new Map(freeze.map((frozen) => [frozen.name, frozen]));
}

function sameVersion(one: FrozenPackage, other: FrozenPackage): boolean {
  return one.version !== null && one.version === other.version;
}
