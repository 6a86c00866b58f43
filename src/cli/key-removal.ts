import { EXIT, ForgeError } from '../errors.js';
import { type KeyRow, keyName } from './key-rows.js';

/** Each word is one key: its number, its fingerprint or a start of it, or its whole comment. */
export function selectKeys(rows: readonly KeyRow[], words: readonly string[]): KeyRow[] {
  return [...new Set(words.map((word) => selectKey(rows, word)))];
}

function selectKey(rows: readonly KeyRow[], word: string): KeyRow {
  const byId = rows.find(({ id }) => id !== null && String(id) === word);
  if (byId !== undefined) return byId;
  const exact = rows.filter(({ key }) => key !== null && (key.fingerprint === word || key.comment === word));
  const matches = exact.length > 0 ? exact : rows.filter(({ key }) => key !== null && startsSo(key.fingerprint, word));
  const [match, ...others] = matches;
  if (match !== undefined && others.length === 0) return match;
  if (match !== undefined) {
    throw new ForgeError(`"${word}" could be any of ${matches.length} keys.`, {
      code: 'AMBIGUOUS_KEY',
      exit: EXIT.notFound,
      hint: `Use the number: ${matches.map(keyName).join(', ')}`,
    });
  }
  throw new ForgeError(`There is no key "${word}".`, {
    code: 'KEY_NOT_FOUND',
    exit: EXIT.notFound,
    hint: rows.length === 0 ? 'There are none.' : `There are: ${rows.slice(0, 8).map(keyName).join(', ')}`,
  });
}

/** Four characters of the hash at least: "SHA256:" alone is the start of all. */
function startsSo(fingerprint: string, word: string): boolean {
  const hash = word.replace(/^SHA256:/u, '');
  return hash.length >= 4 && fingerprint.slice('SHA256:'.length).startsWith(hash);
}

/** forgectl would lock itself out. `from`: "the account", "instance 123". */
export function refuseLoginKey(chosen: readonly KeyRow[], from: string): void {
  const login = chosen.find(({ isLogin }) => isLogin);
  if (login === undefined) return;
  const effect = from === 'the account' ? 'new machines would not let it in' : 'it could not log in there any more';
  throw new ForgeError(`${keyName(login)} is the key that forgectl itself logs in with: ${effect}.`, {
    code: 'KEY_IN_USE',
    exit: EXIT.conflict,
    hint: `--force removes it from ${from} all the same. To log in with another key: forgectl config set ssh_key FILE`,
    details: { key_id: login.id, fingerprint: login.key?.fingerprint ?? null },
  });
}
