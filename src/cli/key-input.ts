import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { EXIT, ForgeError } from '../errors.js';
import type { ForgeContext } from './context.js';

/** The key comes hidden from the terminal, from a file, or from stdin; never from argv, which `ps` and the history show. */
export async function readKeyFrom(file: string | null, context: ForgeContext): Promise<string> {
  if (file === '-') return text(process.stdin);
  if (file !== null) {
    return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new ForgeError(`The file ${file} cannot be read (${cause.code}).`, {
        code: 'KEY_FILE',
        exit: EXIT.usage,
        hint: 'Check --key-file.',
        cause,
      });
    });
  }
  if (!context.terminal.canPrompt) throw context.prompts.needAnswer(['--key-file'], 'The API key');
  context.reporter.info('The key is made at https://cloud.vast.ai/manage-keys/');
  return context.prompts.password('API key (not shown)');
}
