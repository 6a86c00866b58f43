import { writeFile } from 'node:fs/promises';
import { EXIT, ForgeError } from '../errors.js';
import { provisioningManifest, provisioningScript } from '../instance/provisioning-script.js';
import type { ForgeContext } from './context.js';
import { type ProvisioningWords, readWishes } from './provisioning-wishes.js';
import { shellWord } from './typed-command.js';

export interface InitRequest {
  words: ProvisioningWords;
  manifest: boolean;
  force: boolean;
  dryRun: boolean;
}

/** Asks for what was not said, and writes the file. */
export async function initProvisioning(
  context: ForgeContext,
  file: string | null,
  request: InitRequest,
): Promise<{ document: Record<string, unknown>; text: string }> {
  const isAsked = Object.values(request.words).every((words) => words.length === 0);
  const wishes = readWishes(isAsked ? await ask(context) : request.words);
  const isManifest = request.manifest || /\.ya?ml$/iu.test(file ?? '');
  const text = isManifest ? provisioningManifest(wishes) : provisioningScript(wishes);
  const place = file === '-' ? null : file;
  if (place !== null && !request.dryRun) await write(place, text, { force: request.force, isManifest });
  const document = {
    file: place,
    kind: isManifest ? 'manifest' : 'script',
    dry_run: request.dryRun,
    models: wishes.models,
    extensions: wishes.extensions,
    pip: wishes.pip,
    apt: wishes.apt,
    tokens: wishes.tokens,
    text,
  };
  if (place === null || request.dryRun) return { document, text };
  const env = wishes.tokens.map((name) => ` --env ${name}=…`).join('');
  const next = isManifest
    ? `provision run INSTANCE ${shellWord(place)}`
    : `launch --provisioning-file ${shellWord(place)}`;
  return {
    document,
    text: `Wrote ${place}.\n  Check  forgectl provision check ${shellWord(place)}\n  Use    forgectl ${next}${env}`,
  };
}

async function write(file: string, text: string, options: { force: boolean; isManifest: boolean }): Promise<void> {
  const mode = options.isManifest ? 0o644 : 0o755;
  await writeFile(file, text, { mode, flag: options.force ? 'w' : 'wx' }).catch((cause: NodeJS.ErrnoException) => {
    const exists = cause.code === 'EEXIST';
    throw new ForgeError(exists ? `${file} is there already.` : `${file} cannot be written (${cause.code}).`, {
      code: exists ? 'FILE_EXISTS' : 'FILE_NOT_WRITTEN',
      exit: exists ? EXIT.conflict : EXIT.usage,
      hint: exists ? 'Give another name, or --force.' : 'Check the folder.',
      cause,
    });
  });
}

const QUESTIONS: readonly [key: keyof ProvisioningWords, question: string][] = [
  ['models', 'Models to download (addresses, each with =FOLDER when it is no checkpoint; spaces between)'],
  ['extensions', 'Extensions (addresses of repositories)'],
  ['pip', 'Python packages'],
  ['apt', 'Debian packages'],
  ['tokens', 'Variables that hold tokens (HF_TOKEN, CIVITAI_TOKEN)'],
];

async function ask(context: ForgeContext): Promise<ProvisioningWords> {
  const { terminal, prompts } = context;
  if (!terminal.canPrompt) throw prompts.needAnswer(QUESTION_FLAGS, 'What the machine is to have');
  const answers: Record<keyof ProvisioningWords, string[]> = {
    models: [],
    extensions: [],
    pip: [],
    apt: [],
    tokens: [],
  };
  for (const [key, question] of QUESTIONS) {
    const check = (text: string): string | true => problemOf({ ...answers, [key]: wordsOf(text) });
    answers[key] = wordsOf(await prompts.text(question, check));
  }
  return answers;
}

const QUESTION_FLAGS = ['--model', '--extension', '--pip', '--apt', '--token'];

function wordsOf(text: string): string[] {
  return text.split(/\s+/u).filter((word) => word !== '');
}

function problemOf(words: ProvisioningWords): string | true {
  try {
    readWishes(words);
    return true;
  } catch (error) {
    if (error instanceof ForgeError) return error.message;
    throw error;
  }
}
