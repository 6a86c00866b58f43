import { secretsWithin } from '../secrets/redact.js';

/** What is wrong with a script or manifest, before a machine is paid for. */
export interface Finding {
  level: 'error' | 'warning';
  rule: string;
  /** From 1; null for the whole. */
  line: number | null;
  message: string;
  fix: string | null;
}

interface Rule {
  rule: string;
  level: Finding['level'];
  pattern: RegExp;
  /** The rest of the script makes it right. */
  unless?: RegExp;
  message: string;
  fix: string | null;
}

const TORCH = String.raw`["']?(?:torch|torchvision|torchaudio|torchcodec)(?![\w.-])`;
const VARIABLE = String.raw`\$(?:\{[^}]{0,200}\}|\w{1,200})`;

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: bash's, not ours
/** Rules about one line each; comments and texts for other programs (here-documents) are passed over. */
const RULES: readonly Rule[] = [
  {
    rule: 'torch',
    level: 'error',
    pattern: new RegExp(String.raw`\bpip3?\s{1,8}install\b[^#;|&]{0,1000}\s${TORCH}`, 'u'),
    message: "torch is installed: that replaces the image's build for its card and driver",
    fix: 'Leave it out; install what needs it with --constraint, as provision init writes it.',
  },
  {
    rule: 'venv-path',
    level: 'error',
    pattern: /\$\{?(?:DATA_DIRECTORY|WORKSPACE)\b[^}\s]{0,200}\}?\/?venv\/|(?<![\w.])\/workspace\/venv\//u,
    message: "the image's Python is not in the workspace",
    fix: '. /venv/main/bin/activate',
  },
  {
    rule: 'requirements-file',
    level: 'error',
    pattern: /requirements-versions\.txt/u,
    message: 'requirements-versions.txt exists in no Forge',
    fix: 'requirements_versions.txt (lllyasviel, reForge) or requirements.txt (Neo, classic)',
  },
  {
    rule: 'unquoted-rm',
    level: 'error',
    pattern: new RegExp(
      String.raw`(?:^|[;&|(]|\bthen|\bdo|\belse|\bsudo)\s{0,8}rm\s(?:[^"'#;|&]|"[^"]{0,200}"|'[^']{0,200}'){0,200}?(?<!["\w])${VARIABLE}`,
      'u',
    ),
    message: 'rm of an unquoted variable: an empty one, or one with a space, deletes something else',
    fix: 'rm -rf -- "${DIRECTORY:?}/name"',
  },
  {
    rule: 'apt-asks',
    level: 'error',
    pattern:
      /\bapt(?:-get)?\s{1,8}(?!.{0,300}(?:\s-[a-z]{0,8}y|--yes|--assume-yes))(?:[^#;|&]{0,100}\s)?(?:install|upgrade|dist-upgrade)\b/u,
    message: 'apt asks before it installs, and nobody answers',
    fix: 'apt-get install -y …',
  },
  {
    rule: 'unquoted-cd',
    level: 'warning',
    pattern: new RegExp(
      String.raw`(?:^|[;&|(]|\bthen|\bdo|\belse)\s{0,8}cd\s{1,8}(?:--\s{1,8})?[^"'\s;|&]{0,200}${VARIABLE}`,
      'u',
    ),
    message: 'cd to an unquoted variable: an empty one goes home',
    fix: 'cd "$DIRECTORY"',
  },
  {
    rule: 'supervisor-reload',
    level: 'warning',
    pattern: /\bsupervisorctl\s+reload\b/u,
    message: 'supervisorctl reload restarts every service',
    fix: 'supervisorctl reread && supervisorctl update',
  },
  {
    rule: 'workspace-slash',
    level: 'warning',
    pattern: /\$\{(?:DATA_DIRECTORY|WORKSPACE)\}[A-Za-z0-9_.]/u,
    message: 'a template may set this folder with or without a slash at its end',
    fix: '"${WORKSPACE%/}/name"',
  },
  {
    rule: 'portal-restart',
    level: 'warning',
    pattern: /\b(?:sed|rm)\b.{0,300}portal\.yaml|>\s{0,8}[^\s>]{0,200}portal\.yaml/u,
    unless: /supervisorctl\s{1,8}restart\b.{0,200}\b(?:caddy|all)\b|supervisorctl\s{1,8}reload/u,
    message: 'portal.yaml is read when caddy starts; nothing here restarts it',
    fix: 'supervisorctl restart caddy',
  },
  {
    rule: 'portal-export',
    level: 'warning',
    pattern: /^\s*PORTAL_CONFIG=/u,
    unless: /export\s+PORTAL_CONFIG/u,
    message: 'PORTAL_CONFIG is set and not exported: nothing sees it',
    fix: 'export PORTAL_CONFIG="…", or change portal.yaml',
  },
];
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: bash's, not ours

export function lintScript(text: string): Finding[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/u, ''));
  const code = codeLines(lines);
  const joined = code.map(({ line }) => line).join('\n');
  const found = code.flatMap(({ line, number }) =>
    RULES.filter(({ pattern, unless }) => pattern.test(line) && unless?.test(joined) !== true).map(
      ({ rule, level, message, fix }): Finding => ({ rule, level, line: number, message, fix }),
    ),
  );
  return [...wholeScript(text, joined), ...found, ...secretsIn(lines)].sort(
    (one, other) => (one.line ?? 0) - (other.line ?? 0),
  );
}

function wholeScript(text: string, code: string): Finding[] {
  const findings: Finding[] = [];
  const add = (level: Finding['level'], rule: string, message: string, fix: string): void => {
    findings.push({ level, rule, line: 1, message, fix });
  };
  if (!text.startsWith('#!'))
    add('error', 'shebang', 'the image executes the file itself, which needs a first line', '#!/bin/bash');
  if (!/^#!.{0,200}\s-\w{0,16}e|\bset\s{1,8}(?:-\w{0,16}e|-o\s{1,8}errexit)/mu.test(code + text.split('\n', 1)[0]))
    add('warning', 'set-e', 'it goes on after a line that failed, and counts as complete', 'set -euo pipefail');
  if (text.includes('\r\n'))
    add('warning', 'crlf', 'lines end as on Windows; older images take that badly', 'Save it with LF.');
  if (/\bpip3?\s+install\b/u.test(code) && !/bin\/activate|\/venv\/main\/bin|--python\b/u.test(code))
    add('warning', 'system-python', "pip may be the system's, not Forge's", '. /venv/main/bin/activate');
  return findings;
}

/** Never repeats what it has found. */
export function secretsIn(lines: readonly string[]): Finding[] {
  return lines.flatMap((line, index): Finding[] => {
    if (line === '') return [];
    const text = line
      .replace(/^\s*#.*$/u, '')
      .replaceAll(/\$\{[^}]{0,512}\}|\$\w{1,512}|\$\([^)]{0,512}\)/gu, '')
      // Empty, and the next word is another.
      .replaceAll(/\b\w{1,64}=(?=\s)/gu, '');
    if (!isLiteral(text)) return [];
    const message = 'a secret in clear text: whoever sees the script, or the instance, has it';
    return [
      {
        level: 'error',
        rule: 'secret',
        line: index + 1,
        message,
        fix: 'Give it as a variable: --env NAME=…, and use "$NAME".',
      },
    ];
  });
}

/** `TOKEN=` before a variable is empty by now, and words about tokens are no tokens. */
function isLiteral(text: string): boolean {
  return secretsWithin(text).some((found) => found.length >= SHORTEST && !isPlaceholder(found));
}

const SHORTEST = 8;

/** A value that says to be replaced, a path, or the user before a password that was a variable. */
function isPlaceholder(text: string): boolean {
  return /your|change.?me|example|placeholder|xxx|[<>*…]|\.\.\.|^[./~]|:$/iu.test(text);
}

/** What is longer holds data, not commands; each rule looks at each line. */
const LONGEST_LINE = 2000;

interface CodeLine {
  line: string;
  number: number;
}

function codeLines(lines: readonly string[]): CodeLine[] {
  const code: CodeLine[] = [];
  let until: string | null = null;
  for (const [index, line] of lines.entries()) {
    if (until !== null) {
      if (line.trim() === until) until = null;
      continue;
    }
    if (line === '' || /^\s*#/u.test(line)) continue;
    code.push({ line: line.slice(0, LONGEST_LINE).replace(/\s#.*$/u, ''), number: index + 1 });
    until = /<<-?\s{0,8}(["']?)([A-Za-z_]\w{0,64})\1/u.exec(line)?.[2] ?? null;
  }
  return code;
}

export interface FoundUrl {
  url: string;
  line: number;
}

/** Addresses that are whole: what a variable is part of is known on the machine only. */
export function urlsIn(text: string): FoundUrl[] {
  const found = new Map<string, FoundUrl>();
  for (const [index, line] of text.split(/\r?\n/u).entries()) {
    if (/^\s*#/u.test(line)) continue;
    for (const [url] of line.matchAll(/https?:\/\/[^\s"'`<>\\|;,(){}\]]{1,4096}(?:\$\{?\w{1,64})?/gu)) {
      if (!url.includes('$') && !found.has(url) && URL.canParse(url)) found.set(url, { url, line: index + 1 });
    }
  }
  return [...found.values()];
}
