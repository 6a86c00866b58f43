import { ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';
import { selectInstance, selectInstances } from './select-instances.js';

/**
 * `[INSTANCE] [WORD ..]`. The first word is an instance when it is an id, a whole label or "-" (the only one); else it is not
 * when it is surely something else; else when it is the start of a label. With exactly one instance, all may be words.
 */
export function splitInstanceWords(
  all: readonly Instance[],
  words: readonly string[],
  { selfId, isWord }: { selfId: number | null; isWord: (word: string) => boolean },
): { instance: Instance; words: string[] } {
  const [first, ...rest] = words;
  const only = (): Instance => selectInstances(all, { names: [], selfId })[0] as Instance;
  if (first === undefined || first === '-') return { instance: only(), words: rest };
  const isExact = all.some(({ id, label }) => label === first || first === String(id) || first === `C.${id}`);
  if (!isExact && isWord(first)) return { instance: only(), words: [...words] };
  try {
    return { instance: selectInstance(all, first, selfId), words: rest };
  } catch (error) {
    const cannotBe =
      error instanceof ForgeError && error.code === 'INSTANCE_NOT_FOUND' && !/^(?:C\.)?\d+$/u.test(first);
    if (!cannotBe || all.length !== 1) throw error;
    return { instance: only(), words: [...words] };
  }
}
