import { EXIT, ForgeError } from '../errors.js';
import { PROGRAMS } from '../instance/layout.js';
import { findService } from '../instance/services/catalog.js';
import type { ServiceRow } from '../instance/services/service-rows.js';
import type { Instance } from '../vast/model.js';
import { nearest } from './nearest.js';
import { shellWord } from './typed-command.js';

/** A word that names a service of the image, on a line where an instance may come first. */
export function isServiceOfImage(word: string): boolean {
  return findService(word) !== null || Object.values(PROGRAMS).some((program) => program === word.toLowerCase());
}

/** Each by its own name or by supervisor's. Throws (exit 3) with the names that there are. */
export function chooseServices(rows: readonly ServiceRow[], names: readonly string[]): ServiceRow[] {
  const chosen = names.map((typed) => {
    const word = typed.toLowerCase();
    const found = rows.find(({ name, program }) => name.toLowerCase() === word || program?.toLowerCase() === word);
    return found ?? rows.find(({ program }) => program?.toLowerCase().endsWith(`:${word}`)) ?? unknown(rows, typed);
  });
  return [...new Map(chosen.map((row) => [row.name, row])).values()];
}

function unknown(rows: readonly ServiceRow[], typed: string): never {
  const names = rows.map(({ name }) => name);
  const close = nearest(typed, [...names, ...rows.flatMap(({ program }) => program ?? [])]);
  throw new ForgeError(`There is no service ${JSON.stringify(typed)}.`, {
    code: 'SERVICE_NOT_FOUND',
    exit: EXIT.notFound,
    hint: `${close === null ? '' : `Did you mean ${close}? `}There are: ${names.join(', ')}`,
  });
}

export function serviceNeeded(command: string, instance: Instance): ForgeError {
  const name = shellWord(instance.label || String(instance.id));
  return new ForgeError('Which service?', {
    code: 'SERVICE_NEEDED',
    exit: EXIT.usage,
    hint: `forgectl ${command} ${name} forge   (forgectl service ls ${name} shows them)`,
  });
}
