import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import { pipProblem } from '../instance/provisioning-script.js';
import { isTorchLine, requiredName } from '../instance/requirements.js';
import { redactSecrets } from '../secrets/redact.js';

export interface PackageWishes {
  lines: string[];
  leftOut: { name: string; line: string; reason: string }[];
  /** In words. */
  from: string;
}

/** Packages of the line, and of a requirements file here. Torch is refused by name, and left out of a file. */
export async function packageWishes(words: readonly string[], files: readonly string[]): Promise<PackageWishes> {
  for (const word of words) {
    const problem = pipProblem(word);
    if (problem !== null)
      throw refuse(`"${word.slice(0, 80).replaceAll(/\p{Cc}/gu, ' ')}" cannot be installed: ${problem}.`);
  }
  const found = (await Promise.all(files.map(linesOf))).flat();
  const lines = [...words, ...found.filter((line) => !isTorchLine(line))];
  if (lines.some((line) => redactSecrets(line) !== line))
    throw refuse('An address has a password in it, which the journal of the run would keep.');
  if (lines.length === 0) throw refuse('There is nothing to install.');
  const leftOut = found.filter(isTorchLine).map((line) => ({
    name: requiredName(line) ?? line,
    line,
    reason: 'torch stays: its build belongs to the card and its driver',
  }));
  return { lines, leftOut, from: [...words, ...files.map((file) => basename(file))].join(', ') };
}

/** Options that say where packages come from; the others name files that the machine does not have. */
const KNOWN_OPTION =
  /^(?:--(?:extra-)?index-url|--find-links|-i|-f|--pre|--no-binary|--only-binary|--prefer-binary)\b/u;

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw refuse(`The file ${file} cannot be read (${cause.code}).`);
  });
  const lines = text
    .replace(/\\\r?\n/gu, ' ')
    .split(/\r?\n/u)
    .map((line) => line.replace(/(^|\s)#.*$/u, '').trim())
    .filter((line) => line !== '');
  const foreign = lines.find(
    (line) => !KNOWN_OPTION.test(line) && requiredName(line) === null && pipProblem(line) !== null,
  );
  if (foreign === undefined) return lines;
  throw refuse(
    `${file} has a line that the machine cannot follow: ${foreign.slice(0, 80).replaceAll(/\p{Cc}/gu, ' ')}`,
  );
}

function refuse(message: string): ForgeError {
  return new ForgeError(message, {
    code: 'BAD_PACKAGE',
    exit: EXIT.usage,
    hint: 'forgectl venv install INSTANCE name==1.2, or -r requirements.txt',
  });
}
