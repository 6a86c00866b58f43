import { type Finding, secretsIn } from './provisioning-lint.js';

/** base-image: lib/provisioner, schema of version 1. */
const KEYS = new Set([
  'version',
  'settings',
  'auth',
  'on_failure',
  'write_files',
  'write_files_late',
  'apt_packages',
  'pip_packages',
  'conda_packages',
  'git_repos',
  'downloads',
  'conditional_downloads',
  'env_merge',
  'services',
  'extensions',
  'post_commands',
]);

const LISTS = new Set(
  [...KEYS].filter((key) => /_files|_late|apt_|pip_|git_|downloads$|services|extensions|commands/u.test(key)),
);

/**
 * The structure of a manifest, line by line: what the machine's provisioner would refuse, and what costs money later. It is
 * no reader of YAML; flow style and anchors are left to the machine.
 */
export function lintManifest(text: string): Finding[] {
  const lines = text.split(/\r?\n/u);
  const findings: Finding[] = [...secretsIn(lines), ...incompleteDownloads(lines)];
  const seen = new Map<string, number>();
  let section = '';
  for (const [index, line] of lines.entries()) {
    if (line === '' || /^\s*(?:#|$)/u.test(line) || /^(?:---|\.\.\.)\s*$/u.test(line)) continue;
    const top = /^(?:"([^"]{1,256})"|'([^']{1,256})'|([^\s:#'"-][^:]{0,256}))\s{0,8}:(?:\s(.*))?$/u.exec(line);
    if (top === null) findings.push(...innerLine(section, line, index + 1));
    else {
      section = (top[1] ?? top[2] ?? top[3] ?? '').trim();
      findings.push(...topKey(section, top[4] ?? '', { number: index + 1, before: seen.get(section) }));
      seen.set(section, index + 1);
    }
  }
  if (seen.size === 0) findings.push(finding('yaml', null, 'there is no key at all'));
  else if (!seen.has('version')) findings.push(finding('manifest-version', 1, 'there is no version', 'version: 1'));
  return findings.sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
}

function topKey(key: string, rest: string, at: { number: number; before: number | undefined }): Finding[] {
  const { number, before } = at;
  const value = rest.replace(/(?:^|\s)#.*$/u, '').trim();
  const known = [...KEYS].join(', ');
  return [
    ...(before === undefined
      ? []
      : [finding('yaml-twice', number, `"${key}" is there twice; the first (line ${before}) counts no more`)]),
    ...(KEYS.has(key)
      ? []
      : [finding('manifest-key', number, `the provisioner knows no "${key}"`, `It knows: ${known}`)]),
    ...(LISTS.has(key) && value !== '' && !value.startsWith('[')
      ? [finding('manifest-list', number, `"${key}" is a list`, 'One entry a line, each with "- " before it.')]
      : []),
  ];
}

function innerLine(section: string, line: string, number: number): Finding[] {
  if (/^\s*\t/u.test(line)) return [finding('yaml-tab', number, 'YAML is not indented with tabs', 'Use spaces.')];
  if (/^[^\s-]/u.test(line)) return [finding('yaml', number, 'neither a key nor a part of one', 'name: value')];
  if (section === 'pip_packages' && /^\s*-\s*["']?(?:torch|torchvision|torchaudio|torchcodec)(?![\w.-])/u.test(line)) {
    const message = "torch is installed: that replaces the image's build for its card and driver";
    return [finding('torch', number, message, 'Leave it out.')];
  }
  if (/requirements-versions\.txt/u.test(line)) {
    const fix = 'requirements_versions.txt or requirements.txt';
    return [finding('requirements-file', number, 'requirements-versions.txt exists in no Forge', fix)];
  }
  if (section === 'on_failure' && /^\s+action:\s*["']?(?:destroy|stop)\b/u.test(line)) {
    const message = 'when it fails, the machine ends itself, with all that is on it';
    return [{ level: 'warning', rule: 'failure-action', line: number, message, fix: 'action: continue' }];
  }
  return [];
}

function finding(rule: string, line: number | null, message: string, fix: string | null = null): Finding {
  return { level: 'error', rule, line, message, fix };
}

/** An entry needs both an address and a place. */
function incompleteDownloads(lines: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  let entry: { line: number; keys: Set<string> } | null = null;
  let isDownloads = false;
  const end = (): void => {
    const missing = entry === null ? [] : ['url', 'dest'].filter((key) => !entry?.keys.has(key));
    for (const key of missing)
      findings.push({
        level: 'error',
        rule: 'manifest-download',
        line: entry?.line ?? null,
        message: `a download without "${key}"`,
        fix: null,
      });
    entry = null;
  };
  for (const [index, line] of lines.entries()) {
    if (/^[^\s#-]/u.test(line)) {
      end();
      isDownloads = /^downloads\s*:/u.test(line);
    }
    if (!isDownloads) continue;
    const item = /^\s*-\s+(?:\{|(\w+)\s*:)?/u.exec(line);
    if (item !== null) {
      end();
      if (item[1] !== undefined) entry = { line: index + 1, keys: new Set([item[1]]) };
    } else if (entry !== null) {
      const key = /^\s+(\w+)\s*:/u.exec(line)?.[1];
      if (key !== undefined) (entry as { keys: Set<string> }).keys.add(key);
    }
  }
  end();
  return findings;
}
