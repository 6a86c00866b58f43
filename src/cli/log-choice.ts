import { EXIT, ForgeError } from '../errors.js';
import { PROGRAMS } from '../instance/layout.js';
import type { Catalog } from '../instance/log-reader/frames.js';
import { cleanLine } from '../ui/sanitize.js';
import { nearest } from './nearest.js';

export interface LogChoice {
  /** Null: all that the portal shows, also those that come later. */
  names: string[] | null;
  /** What was chosen, when nobody did. */
  note: string | null;
}

export interface LogWords {
  /** As typed: "forge", also "forge.log", and "forge.old" for the file that was moved aside. */
  services: readonly string[];
  all: boolean;
  follow: boolean;
}

const PROVISIONING = 'provisioning';
/** They come when the image boots, so they may be followed before they are there. */
const TO_COME: readonly string[] = [...Object.values(PROGRAMS), PROVISIONING];

export function chooseLogs(catalog: Catalog, { services, all, follow }: LogWords): LogChoice {
  const known = catalog.logs.map(({ name }) => name);
  if (all) {
    if (!follow && !catalog.logs.some(({ portal }) => portal)) throw noLogs();
    return { names: null, note: null };
  }
  if (services.length === 0) return chooseByState(catalog, known, follow);
  const names = services.map((word) => findLog(word, known, follow));
  const missing = names.filter((name) => !known.includes(name));
  const note = missing.length === 0 ? null : `${missing.join(', ')}: not there yet; followed from its first line.`;
  return { names: [...new Set(names)], note };
}

/** Forge's log, and that of the provisioning while it runs or when it failed: what one looks for first. */
function chooseByState(catalog: Catalog, known: readonly string[], follow: boolean): LogChoice {
  const isOfInterest = catalog.provisioning || catalog.provisioning_failed || !known.includes(PROGRAMS.forge);
  const wanted = [PROGRAMS.forge, ...(isOfInterest ? [PROVISIONING] : [])];
  const names = follow ? wanted : wanted.filter((name) => known.includes(name));
  if (names.length === 0) throw noLogs(known);
  const others = known.filter((name) => !names.includes(name) && !name.endsWith('.old'));
  const why = catalog.provisioning_failed ? 'which failed' : 'which runs';
  const shown =
    names.length > 1 && isOfInterest && known.includes(PROVISIONING)
      ? `${names.join(' and ')}, ${why}`
      : names.join(' and ');
  return { names, note: `Showing ${shown}.${others.length === 0 ? '' : ` Also there: ${list(others)}.`}` };
}

function findLog(word: string, known: readonly string[], follow: boolean): string {
  const name = word.replace(/\.log(?=$|\.old$)/u, '');
  if (known.includes(name)) return name;
  const lower = known.filter((other) => other.toLowerCase() === name.toLowerCase());
  if (lower.length === 1) return lower[0] as string;
  if (follow && TO_COME.includes(name)) return name;
  const shown = cleanLine(word).slice(0, 80);
  const meant = nearest(name, known);
  throw new ForgeError(`There is no log "${shown}" on the machine.`, {
    code: 'LOG_NOT_FOUND',
    exit: EXIT.notFound,
    hint: `${meant === null ? '' : `Did you mean ${cleanLine(meant)}? `}There are: ${known.length === 0 ? 'none yet' : list(known)}.`,
    details: { logs: known },
  });
}

function noLogs(known: readonly string[] = []): ForgeError {
  const hint =
    known.length === 0
      ? 'forgectl logs --container shows what the machine printed while it boots.'
      : `There are: ${list(known)}.`;
  return new ForgeError('The machine has no log of Forge yet.', {
    code: 'LOG_NOT_FOUND',
    exit: EXIT.notFound,
    hint,
    details: { logs: known },
  });
}

function list(names: readonly string[]): string {
  return names.map(cleanLine).join(', ');
}
