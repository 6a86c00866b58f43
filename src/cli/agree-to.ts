import { EXIT, ForgeError } from '../errors.js';
import type { ForgeContext } from './context.js';

/**
 * Returns when the user says yes on the terminal. Throws exit 2 where nobody can be asked (`needed` is how that is put), and
 * exit 130, `nothing` in words, for a no.
 */
export async function agreeTo(
  { prompts, terminal }: Pick<ForgeContext, 'prompts' | 'terminal'>,
  question: string,
  { needed = 'A confirmation', nothing = 'Nothing was changed.' }: { needed?: string; nothing?: string } = {},
): Promise<void> {
  if (!terminal.canPrompt) throw prompts.needAnswer(['--yes'], needed);
  if (await prompts.confirm(question)) return;
  throw new ForgeError(nothing, { code: 'CANCELLED', exit: EXIT.interrupted });
}
