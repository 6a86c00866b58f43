/** Words that make a name the name of a secret, wherever they stand in it. */
const SECRET_WORDS =
  'TOKEN SECRET SECRETS PASS PASSWORD PASSWORDS PASSWD PASSPHRASE PASSCODE PWD PAT COOKIE COOKIES CREDENTIAL CREDENTIALS CREDS AUTH AUTHORIZATION JWT BEARER DSN WEBHOOK WEBHOOKS APIKEY APIKEYS OTP TOTP';

const SECRET = new Set(SECRET_WORDS.split(' '));

/** Endings of words that were written together: MYPASS, HFTOKEN, OPENAIKEY. */
const SECRET_ENDING =
  /(?:TOKEN|SECRET|PASS|PASSWORD|PASSWD|PASSPHRASE|PASSCODE|PWD|COOKIE|CREDENTIALS?|WEBHOOK|KEYS?)$/u;
const SECRET_BEGINNING = /^(?:PASSWORD|PASSWD|PASSPHRASE|APIKEY|CREDENTIAL|SECRETKEY)/u;

/** Words that only end like one. PWD and OLDPWD are directories of the shell. */
const OTHER_WORDS = new Set(
  'COMPASS BYPASS SURPASS TRESPASS OVERPASS UNDERPASS ENCOMPASS PWD OLDPWD MONKEY MONKEYS DONKEY DONKEYS TURKEY HOTKEY HOTKEYS JOCKEY HOCKEY WHISKEY PUBKEY PUBKEYS PUBLICKEY PUBLICKEYS'.split(
    ' ',
  ),
);

/** With KEY behind or before them, it opens something. */
const KEY_OWNERS = new Set('API ACCESS SECRET PRIVATE AUTH ENCRYPTION MASTER SIGNING ACCOUNT SERVICE'.split(' '));
/** What a name of a key may end with. */
const AFTER_KEY = new Set(
  'ID B64 BASE64 PEM DATA VALUE PROD DEV TEST LIVE RW RO READ WRITE OLD NEW DEFAULT'.split(' '),
);
/** Kinds of key that are no secret. */
const OPEN_KEYS = new Set('PUBLIC PUB AUTHORIZED SORT PRIMARY FOREIGN PARTITION HOST KNOWN'.split(' '));

/** Names of a switch, a place or a measure: "…_TOKEN_FILE" is a path, and what is in it is somewhere else. */
const NOT_THE_VALUE =
  /^(?:ENABLE|ENABLED|DISABLE|DISABLED|EXCLUDE|REQUIRE|REQUIRED|FILE|PATH|DIR|DIRECTORY|SOCK|TIMEOUT|TTL|EXPIRY|LIMIT|LENGTH|COUNT|METHOD|MODE|TYPE|ENV|NAME|NAMES|VALID)$/u;
const COUNTED_TOKENS = new Set('MAX MIN NUM N TOTAL NEW PER COUNT PROMPT INPUT OUTPUT CONTEXT BATCHED'.split(' '));
const DESKTOP = new Set(['XDG', 'DBUS', 'DESKTOP', 'GNOME', 'KDE', 'TMUX']);

/** Whether what has this name (of a variable, a field, a flag) is nobody's business. Reads snake, kebab and camel case. */
export function isSecretName(name: string): boolean {
  const words = wordsOf(name.slice(0, LONGEST_NAME));
  if (words.length === 0 || words.some((word) => NOT_THE_VALUE.test(word))) return false;
  return words.some((word, index) => isSecretWord(word, index, words));
}

/** Whether a name ends as one of what belongs to a secret: where it lies, how long it counts. */
export function isAboutSecret(name: string): boolean {
  const words = wordsOf(name.slice(0, LONGEST_NAME));
  return words.length > 1 && NOT_THE_VALUE.test(words.at(-1) ?? '');
}

const LONGEST_NAME = 512;

function isSecretWord(word: string, index: number, words: readonly string[]): boolean {
  const [before, after] = [words[index - 1] ?? '', words[index + 1] ?? ''];
  if (word === 'PWD') return words.length > 1 && !['OLD', 'INIT'].includes(before);
  if (word === 'PASS') return after !== 'THROUGH';
  if (word === 'TOKENS') return !words.some((other) => COUNTED_TOKENS.has(other));
  if (word === 'KEY' || word === 'KEYS') return isSecretKey(before, words.slice(index + 1));
  if (word === 'SESSION' || word === 'SESSIONID') return isSecretSession(after, words);
  if (word === 'PRIVATE') return after === '' || after === 'KEY' || after === 'KEYS';
  if (word === 'CONNECTION') return after === 'STRING';
  if (SECRET.has(word)) return true;
  if (OTHER_WORDS.has(word) || OPEN_KEYS.has(before)) return false;
  return SECRET_ENDING.test(word) || SECRET_BEGINNING.test(word);
}

function isSecretKey(before: string, behind: readonly string[]): boolean {
  if (OPEN_KEYS.has(before)) return false;
  return KEY_OWNERS.has(before) || behind.every((word) => AFTER_KEY.has(word));
}

function isSecretSession(after: string, words: readonly string[]): boolean {
  return (after === '' || after === 'ID' || after === 'DATA') && !words.some((word) => DESKTOP.has(word));
}

/** In capitals, without the numbers at their ends. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/gu, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/gu, '$1_$2')
    .toUpperCase()
    .split(/[^A-Z0-9]/u)
    .map((word) => (word === 'B64' || word === 'BASE64' ? word : word.replace(/\d{1,6}$/u, '')))
    .filter((word) => word !== '');
}
