import { EXIT, ForgeError } from '../errors.js';
import type { ContractCost } from '../workflows/cost/contract-costs.js';

/**
 * Costs by name: id, C.<id>, volume V.<id>, label, or a start of a label that belongs to one label alone. Machines that are
 * gone count as well, so a label can stand for several of them.
 */
export function selectCosts(
  all: readonly ContractCost[],
  names: readonly string[],
  selfId: number | null,
): ContractCost[] {
  if (names.length === 0) return [...all];
  const chosen = new Set(names.flatMap((name) => named(all, name, selfId)));
  return all.filter((cost) => chosen.has(cost));
}

function named(all: readonly ContractCost[], name: string, selfId: number | null): ContractCost[] {
  const found = byId(all, name === 'self' && selfId !== null ? String(selfId) : name) ?? byLabel(all, name);
  if (found.length > 0) return found;
  throw new ForgeError(`Nothing on the bill is called "${name}".`, {
    code: 'INSTANCE_NOT_FOUND',
    exit: EXIT.notFound,
    hint: 'forgectl cost shows everything; --days N looks farther back.',
  });
}

function byId(all: readonly ContractCost[], name: string): ContractCost[] | null {
  const [, letter, digits] = /^(?:([CV])\.)?(\d+)$/u.exec(name) ?? [];
  if (digits === undefined) return null;
  const type = letter === 'V' ? 'volume' : letter === 'C' ? 'instance' : null;
  const found = all.filter((cost) => cost.id === Number(digits) && (type === null || cost.type === type));
  return found.length > 0 ? found : null;
}

function byLabel(all: readonly ContractCost[], name: string): ContractCost[] {
  const exact = all.filter(({ label }) => label === name);
  if (exact.length > 0) return exact;
  const matches = all.filter(({ label }) => name !== '' && label?.startsWith(name));
  const labels = [...new Set(matches.map(({ label }) => label))];
  if (labels.length <= 1) return matches;
  throw new ForgeError(`"${name}" could be any of ${labels.length} labels.`, {
    code: 'AMBIGUOUS_INSTANCE',
    exit: EXIT.notFound,
    hint: `One of: ${labels.slice(0, 8).join(', ')}`,
  });
}
