import { spawn } from 'node:child_process';
import { lintManifest } from '../instance/manifest-lint.js';
import { type Finding, lintScript, urlsIn } from '../instance/provisioning-lint.js';
import { shownAddress } from '../instance/provisioning-state.js';
import { formatBytes } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { ProvisioningFile } from './provisioning-source.js';

interface CheckedUrl {
  /** Without what may be a token. */
  url: string;
  line: number;
  /** HTTP status; null when nobody answered. */
  status: number | null;
  bytes: number | null;
}

export interface ProvisioningCheck {
  findings: Finding[];
  urls: CheckedUrl[];
  /** The downloads whose size is told, together. */
  downloadBytes: number;
  /** Addresses that do not tell how much they hold. */
  unknownSizes: number;
  /** False when bash is not here. */
  syntaxChecked: boolean;
}

interface CheckOptions {
  /** Asks no address. */
  offline: boolean;
  diskGb: number | null;
}

const URL_LIMIT_MS = 8000;
const AT_ONCE = 6;
/** Forge's tree, its caches and outputs need room beside the downloads. */
const ROOM_BYTES = 15e9;

export async function checkProvisioning(
  { text, kind }: Pick<ProvisioningFile, 'kind'> & { text: string },
  { offline, diskGb }: CheckOptions,
): Promise<ProvisioningCheck> {
  const syntax = kind === 'script' ? await shellSyntax(text) : null;
  const urls = offline ? [] : await askAll(urlsIn(text));
  const downloadBytes = urls.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  const findings = [
    ...(syntax ?? []),
    ...(kind === 'script' ? lintScript(text) : lintManifest(text)),
    ...urls.flatMap(urlFinding),
    ...diskFinding(downloadBytes, diskGb),
  ].sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
  const unknownSizes = urls.filter(({ bytes, status }) => bytes === null && status !== null && status < 400).length;
  return { findings, urls, downloadBytes, unknownSizes, syntaxChecked: kind === 'manifest' || syntax !== null };
}

export function hasErrors({ findings }: ProvisioningCheck): boolean {
  return findings.some(({ level }) => level === 'error');
}

export function checkDocument(check: ProvisioningCheck): Record<string, unknown> {
  return {
    ok: !hasErrors(check),
    findings: check.findings,
    syntax_checked: check.syntaxChecked,
    urls: check.urls,
    download_bytes: check.downloadBytes,
    urls_without_size: check.unknownSizes,
  };
}

export function findingLines(check: Pick<ProvisioningCheck, 'findings'>, name: string): string[] {
  return check.findings.flatMap(({ level, line, message, fix, rule }) => [
    `${cleanLine(name)}${line === null ? '' : `:${line}`}: ${level}: ${cleanLine(message)} [${rule}]`,
    ...(fix === null ? [] : [`  ${cleanLine(fix)}`]),
  ]);
}

export function summaryLine(check: ProvisioningCheck, offline: boolean): string {
  const errors = check.findings.filter(({ level }) => level === 'error').length;
  const warnings = check.findings.length - errors;
  const unknown = check.unknownSizes === 0 ? '' : `, and ${check.unknownSizes} that do not tell their size`;
  const urls = offline
    ? 'addresses were not asked'
    : `${check.urls.length} ${check.urls.length === 1 ? 'address' : 'addresses'} asked, ${formatBytes(check.downloadBytes)} to download${unknown}`;
  const syntax = check.syntaxChecked ? '' : '; bash is not here, so its syntax was not checked';
  return `${errors} ${errors === 1 ? 'error' : 'errors'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}; ${urls}${syntax}.`;
}

/** What bash itself says, without running anything; null when there is no bash. */
async function shellSyntax(text: string): Promise<Finding[] | null> {
  const child = spawn('bash', ['--noprofile', '--norc', '-n'], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { LC_ALL: 'C', PATH: process.env['PATH'] },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    if (said.length < 20_000) said += more;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(text.replaceAll('\r\n', '\n'));
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', (exit) => resolve(exit));
  });
  if (code === null) return null;
  return said.split('\n').flatMap((line): Finding[] => {
    const match = /^bash: line (\d+): (.*)$/u.exec(line);
    if (match === null || match[2]?.startsWith('`') === true) return [];
    return [
      {
        level: code === 0 ? 'warning' : 'error',
        rule: 'syntax',
        line: Number(match[1]),
        message: match[2] ?? '',
        fix: null,
      },
    ];
  });
}

async function askAll(urls: readonly { url: string; line: number }[]): Promise<CheckedUrl[]> {
  const answers: CheckedUrl[] = [];
  const waiting = urls.slice(0, 200).map((each, at) => ({ ...each, at }));
  const ask = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      answers[next.at] = { url: shownAddress(next.url) ?? '', line: next.line, ...(await askUrl(next.url)) };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return answers;
}

/** Pages are no downloads; some servers take no HEAD. */
async function askUrl(url: string): Promise<{ status: number | null; bytes: number | null }> {
  const head = await answerOf(url, 'HEAD');
  const answer =
    head !== null && [400, 403, 405, 501].includes(head.status) ? ((await answerOf(url, 'GET')) ?? head) : head;
  await answer?.body?.cancel().catch(() => {});
  if (answer === null) return { status: null, bytes: null };
  const isPage = answer.headers.get('content-type')?.startsWith('text/html') === true;
  const length = answer.headers.get('content-length') ?? '';
  return { status: answer.status, bytes: answer.ok && /^\d+$/u.test(length) && !isPage ? Number(length) : null };
}

async function answerOf(url: string, method: string): Promise<Response | null> {
  return fetch(url, { method, signal: AbortSignal.timeout(URL_LIMIT_MS) }).catch(() => null);
}

/** A gate (401, 403) opens with a token; nobody home may be this network's fault. */
function urlFinding({ url, line, status }: CheckedUrl): Finding[] {
  if (status === null)
    return [
      { level: 'warning', rule: 'url', line, message: `${url} does not answer from here`, fix: '--offline asks none.' },
    ];
  if (status < 400) return [];
  if (status === 401 || status === 403)
    return [
      {
        level: 'warning',
        rule: 'url',
        line,
        message: `${url} wants a token (HTTP ${status})`,
        fix: 'Give it as a variable, e.g. HF_TOKEN.',
      },
    ];
  const isPassing = status === 429 || status >= 500;
  return [
    { level: isPassing ? 'warning' : 'error', rule: 'url', line, message: `${url} answers HTTP ${status}`, fix: null },
  ];
}

function diskFinding(bytes: number, diskGb: number | null): Finding[] {
  if (diskGb === null || bytes === 0) return [];
  const disk = diskGb * 1e9;
  if (bytes + ROOM_BYTES <= disk) return [];
  const message = `${formatBytes(bytes)} to download, and ${formatBytes(ROOM_BYTES)} for Forge itself, do not fit on ${diskGb} GB`;
  const fix = `--disk ${Math.ceil((bytes + ROOM_BYTES) / 1e9)}`;
  return [{ level: bytes > disk ? 'error' : 'warning', rule: 'disk', line: null, message, fix }];
}
