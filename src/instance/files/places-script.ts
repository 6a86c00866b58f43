import { EXIT, ForgeError } from '../../errors.js';
import { LOAD_ENVIRONMENT } from '../environment-script.js';
import { unreadable } from '../unreadable.js';
import { type BytePath, fromText, isRealPath } from './byte-path.js';

/** Directories that typed paths count from, and whether the tools are there. */
export const PLACES_SCRIPT = `
ROOT="\${FORGECTL_ROOT-}"
${LOAD_ENVIRONMENT}
plain() { [ -z "$1" ] || realpath -ms -- "$1"; }
printf '%s\\n' "$(realpath -m -- "$ROOT/")" "$(plain "\${WORKSPACE-}")" "$(plain "\${HOME-}")"
find / -maxdepth 0 -printf 'find\\n' 2>/dev/null
tar --version 2>/dev/null | grep -o 'GNU tar'
for tool in dd sha256sum xargs; do command -v "$tool"; done | wc -l`;

/** The directories of a machine that typed paths are relative to. */
export interface RemotePlaces {
  /** Empty on a real machine; the directory of one that lives in a directory. */
  root: BytePath;
  workspace: BytePath;
  home: BytePath;
}

export function parsePlaces(output: string, name: string): RemotePlaces {
  const [root = '/', workspace = '', home = '', ...tools] = output.trimEnd().split('\n');
  if (!tools.includes('find') || !tools.includes('GNU tar') || tools.at(-1)?.trim() !== '3') {
    throw new ForgeError(`${name} lacks tools that a copy needs: GNU find and tar, dd, sha256sum, xargs.`, {
      code: 'COPY_NO_TOOLS',
      exit: EXIT.notReady,
      hint: 'Every image of Forge has them. Is it another image?',
    });
  }
  const base = root === '/' ? '' : root;
  const places = [workspace === '' ? `${base}/workspace` : workspace, home === '' ? `${base}/root` : home];
  // What is typed is joined to them.
  if (![root, ...places].every(isRealPath)) throw unreadable('its workspace, or its home, is no directory');
  const [inWorkspace = '', inHome = ''] = places;
  return { root: fromText(base), workspace: fromText(inWorkspace), home: fromText(inHome) };
}
