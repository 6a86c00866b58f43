import { findService } from '../instance/services/catalog.js';
import type { Instance } from '../vast/model.js';
import { looksLikeForward } from '../workflows/tunnel/specs.js';
import { selectInstance, selectInstances } from './select-instances.js';

/**
 * `[INSTANCE] [SERVICE|LOCAL:REMOTE ..]`: the first word is an instance unless it cannot be one. An id or a whole label wins
 * over a service of the same name, a service over the start of a label.
 */
export function splitTunnelWords(
  all: readonly Instance[],
  words: readonly string[],
  selfId: number | null,
): { instance: Instance; forwards: string[] } {
  const [first, ...rest] = words;
  const only = (): Instance => selectInstances(all, { names: [], selfId })[0] as Instance;
  if (first === undefined) return { instance: only(), forwards: [] };
  const isExact = all.some(({ id, label }) => label === first || first === String(id) || first === `C.${id}`);
  if (!isExact && (looksLikeForward(first) || findService(first) !== null)) {
    return { instance: only(), forwards: [...words] };
  }
  return { instance: selectInstance(all, first, selfId), forwards: rest };
}
