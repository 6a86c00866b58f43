import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';

export interface Selection {
  /** Words as typed; empty means "the only one". */
  names: readonly string[];
  /** CONTAINER_ID when forgectl runs inside an instance; `self` means this one. */
  selfId: number | null;
}

/** Every name becomes one instance; the same instance is never given twice. */
export function selectInstances(all: readonly Instance[], selection: Selection): Instance[] {
  if (selection.names.length === 0) return [selectOnly(all)];
  const chosen = selection.names.map((name) => selectInstance(all, name, selection.selfId));
  return [...new Map(chosen.map((instance) => [instance.id, instance])).values()];
}

function selectOnly(all: readonly Instance[]): Instance {
  const [only, ...others] = all;
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) {
    throw new ForgeError('There is no instance.', {
      code: 'NO_INSTANCE',
      exit: EXIT.notFound,
      hint: 'forgectl launch rents one.',
    });
  }
  throw new ForgeError(`There are ${all.length} instances; say which one.`, {
    code: 'INSTANCE_NEEDED',
    exit: EXIT.usage,
    hint: `One of: ${all.slice(0, 8).map(nameOf).join(', ')}${all.length > 8 ? ', …' : ''}`,
  });
}

/** By id, C.<id>, `self`, exact label, or a unique start of a label, in this order. */
export function selectInstance(all: readonly Instance[], name: string, selfId: number | null): Instance {
  const id = idOf(name, selfId);
  const byId = all.find((instance) => instance.id === id);
  if (byId !== undefined) return byId;
  const labelled = all.filter((instance) => instance.label === name);
  const matches =
    labelled.length > 0 ? labelled : all.filter((instance) => name !== '' && instance.label?.startsWith(name));
  const [match, ...others] = matches;
  if (match !== undefined && others.length === 0) return match;
  if (match !== undefined) {
    throw new ForgeError(`"${name}" could be any of ${matches.length} instances.`, {
      code: 'AMBIGUOUS_INSTANCE',
      exit: EXIT.notFound,
      hint: `Use the id: ${matches.map((instance) => `${instance.id} (${instance.label})`).join(', ')}`,
    });
  }
  throw new ForgeError(`There is no instance "${name}".`, {
    code: 'INSTANCE_NOT_FOUND',
    exit: EXIT.notFound,
    hint: all.length === 0 ? 'You have no instances.' : `You have: ${all.slice(0, 8).map(nameOf).join(', ')}`,
  });
}

function idOf(name: string, selfId: number | null): number | null {
  if (name === 'self') {
    if (selfId !== null) return selfId;
    throw new ForgeError('"self" has a meaning only inside an instance.', {
      code: 'NOT_INSIDE_INSTANCE',
      exit: EXIT.usage,
      hint: 'Give the id or the label.',
    });
  }
  const digits = /^(?:C\.)?(\d+)$/u.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** How an instance is called in sentences: "12345 (my-label)". */
export function nameOf(instance: Pick<Instance, 'id' | 'label'>): string {
  return instance.label === null || instance.label === '' ? String(instance.id) : `${instance.id} (${instance.label})`;
}
