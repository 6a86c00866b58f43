import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, toText } from '../../instance/files/byte-path.js';
import type { Mismatch } from '../copy/compare.js';
import type { Problem } from '../copy/side.js';

const SHOWN = 5;

export function differ(mismatches: readonly Mismatch[]): ForgeError {
  const lines = mismatches.slice(0, SHOWN).map(({ path, what }) => `${toText(path)}: ${what}`);
  return new ForgeError(`The copy differs from the source in ${mismatches.length} places.`, {
    code: 'COPY_DIFFERS',
    exit: EXIT.partlyFailed,
    hint: lines.join('\n').replace(/[^\P{Cc}\n]+/gu, ' '),
    details: { mismatches: lines },
  });
}

export function notBrought(problems: readonly { path: BytePath; problem: Problem }[]): ForgeError {
  const lines = problems.slice(0, SHOWN).map(({ path, problem }) => `${toText(path)}: ${problem.kind}`);
  return new ForgeError(`${problems.length} paths could not be copied: the source does not come to rest.`, {
    code: 'SOURCE_CHANGES',
    exit: EXIT.partlyFailed,
    hint: `${lines.join('\n').replace(/[^\P{Cc}\n]+/gu, ' ')}\nStop what writes there, or leave it out with --exclude.`,
    details: { problems: lines },
  });
}

export function notListed(complaints: readonly string[]): ForgeError {
  return new ForgeError(`The source cannot be read as a whole: ${complaints[0]?.replace(/\p{Cc}+/gu, ' ')}`, {
    code: 'SOURCE_UNREADABLE',
    exit: EXIT.partlyFailed,
    hint: 'Mend it, or leave it out with --exclude.',
    details: { complaints: complaints.slice(0, SHOWN) },
  });
}
