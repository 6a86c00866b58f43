import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, HERE, joinPath } from '../../instance/files/byte-path.js';
import type { Operation } from '../../instance/files/operations.js';
import type { TreePlan } from './plan.js';
import type { Side } from './side.js';
import { partName, type Staging } from './staging.js';

const TOP = '/' as BytePath;

/** Everything that must be there before the first file comes, in one question. */
export async function prepareTree(
  destination: Side,
  plan: TreePlan,
  { staging, newDirectory }: { staging: Staging; newDirectory: BytePath | null },
): Promise<void> {
  const { destinationBase: base } = plan.tree;
  const fromTop = (path: BytePath): BytePath => joinPath(base, path).slice(TOP.length) as BytePath;
  const operations: Operation[] = [];
  if (newDirectory !== null) {
    const path = newDirectory.slice(TOP.length) as BytePath;
    operations.push({ do: 'mkdir', path }, { do: 'chmod', mode: 0o755, path });
  }
  operations.push(...directoryOperations(plan).map((one) => ({ ...one, path: fromTop(one.path) })));
  if (needsStaging(plan)) {
    operations.push({ do: 'own', path: fromTop(staging.directory) });
    operations.push(...staging.stale.map((path): Operation => ({ do: 'remove', path: fromTop(path) })));
    for (const item of plan.large)
      operations.push({ do: 'create', path: fromTop(joinPath(staging.directory, partName(item))) });
  }
  const [failed] = await destination.apply(TOP, operations);
  if (failed === undefined) return;
  throw new ForgeError(`Nothing can be written there on ${destination.name}: ${failed.reason}.`, {
    code: 'COPY_NOT_WRITABLE',
    exit: EXIT.notPermitted,
    hint: 'Choose another place.',
  });
}

export function needsStaging({ small, large }: TreePlan): boolean {
  return small.length + large.length > 0;
}

/** Directories get their own mode at the end: until then they must let files in. */
function directoryOperations({ tree, directories }: TreePlan): Operation[] {
  return directories.flatMap(({ destination: path }): Operation[] => {
    const there = tree.existing.get(path);
    if (there === undefined) return path === HERE && tree.leavesBase ? [] : [{ do: 'mkdir', path }];
    return (there.mode & 0o700) === 0o700 ? [] : [{ do: 'chmod', mode: there.mode | 0o700, path }];
  });
}
