import { LOG_READER } from './program.js';

/** The word after the marker when the machine has no Python. */
export const NO_PYTHON = 'no-python';
/** The word after the marker when the program begins. */
export const READY = 'ready';

/**
 * Starts the reader in a plain bash whose script comes on stdin; the reader then talks on the same streams. bash reads a
 * pipe byte by byte, so what follows the script is the reader's. It ends when its stdin does: with the connection.
 */
export function logReaderScript(marker: string): string {
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: bash's, not ours
  return [
    'set +eu',
    'export PATH="${FORGECTL_ROOT-}/usr/local/bin:$PATH:/usr/local/bin:/usr/bin:/bin"',
    'python=',
    'for candidate in python3 /usr/bin/python3 "${FORGECTL_ROOT-}/venv/main/bin/python"; do',
    '  command -v "$candidate" >/dev/null 2>&1 && { python=$candidate; break; }',
    'done',
    `if [ -z "$python" ]; then printf '\\n%s\\n' '${marker}:${NO_PYTHON}'; exit 0; fi`,
    `printf '\\n%s\\n' '${marker}:${READY}'`,
    `exec "$python" -IS -u /dev/fd/3 3<<'${marker}'`,
    LOG_READER.trimEnd(),
    marker,
    '',
  ].join('\n');
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: bash's, not ours
}
