/**
 * Wraps work for the machine's bash. `ROOT` is empty on a real machine; a machine that lives in a directory says so.
 * Output before the first marker (banners, activation lines) does not count.
 */
export function wrapScript(work: string, marker: string): string {
  return [
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: bash's, not ours
    'ROOT="${FORGECTL_ROOT-}"',
    'WORKSPACE="${WORKSPACE:-$ROOT/workspace}"',
    'export PATH="$ROOT/opt/instance-tools/bin:$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"',
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: bash's, not ours
    `printf '%s\\n' '${marker}'`,
    // bash reads a group to its end before it runs it, so nothing in it can eat the rest of the script from stdin.
    `{\n${work}\n} </dev/null`,
    `printf '\\n%s\\n' '${marker}'`,
    'exit 0',
    '',
  ].join('\n');
}

/** What was printed between the markers, or null when the end never came. */
export function betweenMarkers(stdout: string, marker: string): string | null {
  const [, inside, ...after] = stdout.split(`${marker}\n`);
  return inside === undefined || after.length === 0 ? null : inside.replace(/\n$/u, '');
}
