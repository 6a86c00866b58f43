import { ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';
import { selectInstance, selectInstances } from './select-instances.js';

export interface LogTarget {
  instance: Instance;
  services: string[];
  /** The first word is no instance, so it was taken for a log. */
  isGuess: boolean;
}

/** The first word is an instance when it can be one; with exactly one instance, all words may be logs. */
export function logTarget(all: readonly Instance[], words: readonly string[], selfId: number | null): LogTarget {
  const [first, ...services] = words;
  const [only] = all;
  if (first === undefined) {
    return { instance: selectInstances(all, { names: [], selfId })[0] as Instance, services, isGuess: false };
  }
  try {
    return { instance: selectInstance(all, first, selfId), services, isGuess: false };
  } catch (error) {
    const isLog = error instanceof ForgeError && error.code === 'INSTANCE_NOT_FOUND' && !/^(?:C\.)?\d+$/u.test(first);
    if (!isLog || only === undefined || all.length > 1) throw error;
    return { instance: only, services: [...words], isGuess: true };
  }
}
