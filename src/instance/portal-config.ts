import { EXIT, ForgeError } from '../errors.js';

/** One application of the instance portal. `externalPort` is the container's, not the internet's. */
export interface PortalApplication {
  name: string;
  hostname: string;
  externalPort: number;
  internalPort: number;
  openPath: string;
}

/** PORTAL_CONFIG: `host:ext:int:path:Name|…`. Parts that are no application are given back, not dropped in silence. */
export function parsePortalConfig(text: string): { applications: PortalApplication[]; odd: string[] } {
  const applications: PortalApplication[] = [];
  const odd: string[] = [];
  for (const part of text.split('|').map((piece) => piece.trim())) {
    if (part === '') continue;
    const [hostname = '', external = '', internal = '', openPath = '', ...name] = part.split(':');
    const application = { hostname, openPath, name: name.join(':').trim() };
    const [externalPort, internalPort] = [portOf(external), portOf(internal)];
    if (externalPort === null || internalPort === null || application.name === '') odd.push(part);
    else applications.push({ ...application, externalPort, internalPort });
  }
  return { applications, odd };
}

export function formatPortalConfig(applications: readonly PortalApplication[]): string {
  return applications
    .map(({ hostname, externalPort, internalPort, openPath, name }) => {
      if (/[|:\n]/u.test(hostname + openPath) || /[|\n]/u.test(name)) throw unspeakable(name);
      return [hostname, externalPort, internalPort, openPath, name].join(':');
    })
    .join('|');
}

function unspeakable(name: string): ForgeError {
  return new ForgeError(
    `The portal application ${JSON.stringify(name)} has a character that PORTAL_CONFIG cannot hold.`,
    {
      code: 'BAD_PORTAL_CONFIG',
      exit: EXIT.usage,
      hint: 'Leave out "|", and ":" in host and path.',
    },
  );
}

/**
 * The applications in /etc/portal.yaml, as the image writes it and as people edit it: block or one-line maps, quotes,
 * comments. Null when there is no list, which makes the image write a new one.
 */
export function readPortalYaml(text: string): PortalApplication[] | null {
  const lines = text.split(/\r?\n/u).filter((line) => line.trim() !== '' && !line.trim().startsWith('#'));
  const start = lines.findIndex((line) => /^applications\s*:/u.test(line));
  if (start === -1) return null;
  const found: Record<string, string>[] = [];
  let nameIndent = -1;
  for (const line of lines.slice(start + 1)) {
    const indent = line.search(/\S/u);
    if (indent === 0) break;
    const pair = splitPair(line.trim());
    if (pair === null) continue;
    if (nameIndent === -1) nameIndent = indent;
    if (indent <= nameIndent) found.push({ name: pair.key, ...flowMap(pair.value) });
    else Object.assign(found.at(-1) ?? {}, { [pair.key]: scalar(pair.value) });
  }
  return found.flatMap(applicationOf);
}

function applicationOf(fields: Record<string, string>): PortalApplication[] {
  const [externalPort, internalPort] = [portOf(fields['external_port'] ?? ''), portOf(fields['internal_port'] ?? '')];
  if (externalPort === null || internalPort === null) return [];
  return [
    {
      name: fields['name'] ?? '',
      hostname: fields['hostname'] ?? 'localhost',
      externalPort,
      internalPort,
      openPath: fields['open_path'] ?? '/',
    },
  ];
}

/** "key: value", where the key may be quoted and hold a colon. */
function splitPair(text: string): { key: string; value: string } | null {
  const match = /^("(?:[^"\\]|\\.){0,512}"|'(?:[^']|''){0,512}'|[^:]{1,512})\s{0,8}:(?:\s(.*))?$/u.exec(text);
  return match === null ? null : { key: scalar(match[1] ?? ''), value: match[2] ?? '' };
}

function flowMap(text: string): Record<string, string> {
  const body = /^\{(.*)\}\s*(?:#.*)?$/u.exec(text.trim())?.[1];
  if (body === undefined) return {};
  return Object.fromEntries(
    partsOf(body).flatMap((part) => {
      const pair = splitPair(part.trim());
      return pair === null ? [] : [[pair.key, scalar(pair.value)]];
    }),
  );
}

/** At the commas outside of quotes. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let quote = '';
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at] as string;
    if (quote === '"' && sign === '\\') at += 1;
    else if (quote !== '') quote = sign === quote ? '' : quote;
    else if (sign === '"' || sign === "'") quote = sign;
    else if (sign === ',') {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)].filter((part) => part.trim() !== '');
}

function scalar(text: string): string {
  const trimmed = text.trim();
  const double = /^"((?:[^"\\]|\\.)*)"/u.exec(trimmed)?.[1];
  if (double !== undefined) return double.replace(/\\(["\\/])/gu, '$1');
  const single = /^'((?:[^']|'')*)'/u.exec(trimmed)?.[1];
  return single === undefined ? withoutComment(trimmed) : single.replaceAll("''", "'");
}

function withoutComment(text: string): string {
  const at = text.search(/\s#/u);
  return at === -1 ? text : text.slice(0, at).trimEnd();
}

/** 72299 and the like are the platform's identity ports (docs: networking), beyond what TCP has. */
function portOf(text: string): number | null {
  return /^\d{1,5}$/u.test(text.trim()) && Number(text) > 0 ? Number(text) : null;
}
