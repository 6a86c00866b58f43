import { EXIT, ForgeError } from '../errors.js';
import { type ProvisioningWishes, pipProblem } from '../instance/provisioning-script.js';
import { withoutEnd } from '../text-ends.js';

export interface ProvisioningWords {
  /** URL[=DIR[/NAME]] */
  models: readonly string[];
  extensions: readonly string[];
  pip: readonly string[];
  apt: readonly string[];
  tokens: readonly string[];
}

/** Folders of the Forge tree by the names that people use for them (instance.md 5). */
const FOLDERS: Record<string, string> = {
  'stable-diffusion': 'models/Stable-diffusion',
  checkpoints: 'models/Stable-diffusion',
  vae: 'models/VAE',
  text_encoder: 'models/text_encoder',
  lora: 'models/Lora',
  controlnet: 'models/ControlNet',
  esrgan: 'models/ESRGAN',
  embeddings: 'embeddings',
};

/** Whose token opens which host. */
const TOKEN_HOSTS: readonly [name: string, host: RegExp][] = [
  ['HF_TOKEN', /(?:^|\.)huggingface\.co$/u],
  ['CIVITAI_TOKEN', /(?:^|\.)civitai\.com$/u],
];

/** Words of the line as wishes; throws (exit 2) for what could be taken for something else. */
export function readWishes(words: ProvisioningWords): ProvisioningWishes {
  for (const name of words.tokens) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/u.test(name))
      throw refuse('--token', 'not a name of a variable; the value stays out');
  }
  for (const word of words.pip) {
    const problem = pipProblem(word);
    if (problem !== null) throw refuse('--pip', problem);
  }
  for (const word of words.apt) {
    if (!/^[a-z0-9][a-z0-9+.-]+(?:=[\w.+:~-]+)?$/u.test(word)) throw refuse('--apt', 'not a name of a package');
  }
  return {
    models: words.models.map((word) => modelOf(word, words.tokens)),
    extensions: words.extensions.map(extensionOf),
    pip: [...words.pip],
    apt: [...words.apt],
    tokens: [...new Set(words.tokens)],
  };
}

function modelOf(word: string, tokens: readonly string[]): ProvisioningWishes['models'][number] {
  const at = word.lastIndexOf('=');
  const folder = at === -1 ? null : placeOf(word.slice(at + 1));
  const url = checkedUrl('--model', folder === null ? word : word.slice(0, at));
  const token = TOKEN_HOSTS.find(([name, host]) => tokens.includes(name) && host.test(url.hostname))?.[0] ?? null;
  const place = folder ?? 'models/Stable-diffusion';
  const path = /\.\w{2,12}$/u.test(place) ? place : `${place}/${fileOf(url)}`;
  return { url: url.href, path, token };
}

/** Null when the word after "=" is a part of the address. */
function placeOf(word: string): string | null {
  const [first = '', ...rest] = word.split('/');
  const known = FOLDERS[first.toLowerCase()];
  const isPath = word.startsWith('/') || first === 'models' || first === 'embeddings';
  if (known === undefined && !isPath) return null;
  const path = withoutEnd(known === undefined ? word : [known, ...rest].join('/'), '/');
  if (/^[\w./ -]+$/u.test(path) && !path.split('/').includes('..')) return path;
  throw refuse('--model', 'a folder of letters, digits, spaces and . _ - / only, without ".."');
}

/** Addresses without a name are Civitai's, mostly. */
function fileOf(url: URL): string {
  const last = decoded(url.pathname.split('/').at(-1) ?? '');
  if (/^[\w.() -]+\.\w{2,12}$/u.test(last)) return last;
  const id = /\/models\/(\d+)$/u.exec(url.pathname)?.[1];
  if (id !== undefined) return `civitai-${id}.safetensors`;
  throw refuse('--model', 'an address that names no file: add one, like URL=Lora/name.safetensors');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function extensionOf(word: string): ProvisioningWishes['extensions'][number] {
  const url = checkedUrl('--extension', word);
  const name = (withoutEnd(url.pathname, '/').split('/').at(-1) ?? '').replace(/\.git$/u, '');
  if (!/^[A-Za-z0-9][\w.-]*$/u.test(name)) throw refuse('--extension', 'an address that does not end with a name');
  return { url: url.href, name };
}

/** `{` and `$` mean something to a manifest; no address needs them unescaped. */
function checkedUrl(flag: string, word: string): URL {
  if (/[\p{Cc}\p{Cf}\s]/u.test(word) || !/^https?:\/\//iu.test(word) || !URL.canParse(word)) {
    throw refuse(flag, 'not an address (https://…)');
  }
  const url = new URL(word);
  if (url.username !== '' || url.password !== '' || /[?&](?:token|api_?key)=/iu.test(url.search)) {
    throw refuse(flag, 'an address with a secret in it; name its variable with --token instead');
  }
  if (/[${}]/u.test(url.href)) throw refuse(flag, 'an address with $, { or } in it; write %24, %7B, %7D');
  return url;
}

/** The word itself may be a secret, or long: the flag says enough. */
function refuse(flag: string, problem: string): ForgeError {
  return new ForgeError(`A value of ${flag} is ${problem}.`, {
    code: 'BAD_PROVISIONING_WORD',
    exit: EXIT.usage,
    hint: 'forgectl provision init --help',
  });
}
