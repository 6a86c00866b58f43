import { EXIT, ForgeError } from '../../errors.js';
import { type ExtensionChange, extensionsScript, parseExtensions } from '../../instance/extensions.js';
import { parseTorch, type TorchSet, torchScript } from '../../instance/torch-set.js';
import type { MachineSession } from '../machine-session.js';
import { forgeAnswers } from './health.js';

/** Plain data for the journal and --dry-run. */
export interface ExtensionsPlan {
  instanceId: number;
  label: string | null;
  moves: (ExtensionChange & { to: string })[];
  /** Left alone, and why. */
  skipped: { name: string; reason: string }[];
  torch: TorchSet;
  forgeRan: boolean;
  /** Left out by older runs. */
  putBackAfterS?: number;
}

const FETCH_LIMIT_MS = 10 * 60_000;

/** `names`: those that were asked for; empty for all. Throws when one of them is not there. */
export async function planExtensions(
  session: MachineSession,
  names: readonly string[],
  putBackAfterS: number,
): Promise<ExtensionsPlan> {
  const found = parseExtensions((await session.run(extensionsScript(), FETCH_LIMIT_MS)).output);
  const missing = names.find((name) => !found.some((extension) => extension.name === name));
  if (missing !== undefined) throw noSuchExtension(missing, found);
  const asked = found.filter(({ name }) => names.length === 0 || names.includes(name));
  const moves: ExtensionsPlan['moves'] = [];
  const skipped: ExtensionsPlan['skipped'] = [];
  for (const extension of asked) {
    const reason = whyNot(extension);
    if (reason !== null) skipped.push({ name: extension.name, reason });
    else if (extension.to !== null && extension.to !== extension.from) moves.push({ ...extension, to: extension.to });
  }
  const torch = parseTorch((await session.run(torchScript())).output);
  const { id: instanceId, label } = session.instance;
  return { instanceId, label, moves, skipped, torch, forgeRan: await forgeAnswers(session), putBackAfterS };
}

function whyNot({ to, isEdited, ownCount, count }: ExtensionChange): string | null {
  if (to === null) return 'its remote could not be read, or it follows no branch';
  if (count > 0 && isEdited) return 'it has local edits';
  if (count > 0 && ownCount > 0) return `it has ${ownCount} commits of its own`;
  return null;
}

function noSuchExtension(name: string, found: readonly ExtensionChange[]): ForgeError {
  const names = found.map((extension) => extension.name).join(', ');
  return new ForgeError(`There is no extension ${JSON.stringify(name)} with a repository of its own.`, {
    code: 'EXTENSION_NOT_FOUND',
    exit: EXIT.notFound,
    hint: names === '' ? 'There is none at all.' : `There are: ${names}`,
  });
}

/** "1 extension", "3 extensions". */
export function counted({ moves }: ExtensionsPlan): string {
  return moves.length === 1 ? '1 extension' : `${moves.length} extensions`;
}
