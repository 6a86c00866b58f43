import { redactSecrets } from '../secrets/redact.js';

/** Packages whose builds fit the card and its driver: no upgrade may replace them (image: Dockerfile, its final check). */
export const TORCH_FAMILY = ['torch', 'torchvision', 'torchaudio', 'torchcodec'] as const;

interface RequirementChange {
  /** As pip compares names. */
  name: string;
  before: string | null;
  after: string | null;
}

export interface RequirementDifference {
  added: RequirementChange[];
  removed: RequirementChange[];
  changed: RequirementChange[];
}

/** Names as pip compares them (PEP 503). */
export function normalizeName(name: string): string {
  return name.replace(/[-_.]+/gu, '-').toLowerCase();
}

/** The package that a line asks for; null for options, comments and what has no name before it was fetched. */
export function requiredName(line: string): string | null {
  const text = line.trim();
  const name = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:$|[[<>=!~;@ #])/u.exec(text)?.[1];
  return name === undefined ? null : normalizeName(name);
}

export function isTorchLine(line: string): boolean {
  const name = requiredName(line);
  return name !== null && (TORCH_FAMILY as readonly string[]).includes(name);
}

/** What one version of the file asks for beyond the other. Lines without a name count by their text. */
export function compareRequirements(before: string, after: string): RequirementDifference {
  const [old, fresh] = [requirementsOf(before), requirementsOf(after)];
  const added: RequirementChange[] = [];
  const changed: RequirementChange[] = [];
  for (const [name, line] of fresh) {
    const was = old.get(name) ?? null;
    if (was === null) added.push({ name, before: null, after: line });
    else if (was !== line) changed.push({ name, before: was, after: line });
  }
  const removed = [...old].flatMap(([name, line]) => (fresh.has(name) ? [] : [{ name, before: line, after: null }]));
  return { added, removed, changed };
}

/**
 * The lines to install: what is new or asked for otherwise, without torch, with the file's own options (indexes). What
 * the user has installed beside it stays as it is.
 */
export function linesToInstall(before: string, after: string): string[] {
  const { added, changed } = compareRequirements(before, after);
  const wanted = [...added, ...changed].flatMap(({ after: line }) =>
    line === null || isTorchLine(line) ? [] : [line],
  );
  if (wanted.length === 0) return [];
  const options = logicalLines(after).filter((line) => line.startsWith('-') && !/^-e\b|^--editable/u.test(line));
  return [...options, ...wanted.filter((line) => !options.includes(line))];
}

function requirementsOf(text: string): Map<string, string> {
  return new Map(logicalLines(text).map((line) => [requiredName(line) ?? line, line]));
}

/** Lines as pip reads them: joined at a backslash, without comments, white space around, and passwords in addresses. */
function logicalLines(text: string): string[] {
  return text
    .replace(/\\\r?\n/gu, ' ')
    .split(/\r?\n/u)
    .map((line) => line.replace(/(^|\s)#.*$/u, '').trim())
    .filter((line) => line !== '')
    .map(redactSecrets);
}
