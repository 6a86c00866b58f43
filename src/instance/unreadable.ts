import { EXIT, ForgeError } from '../errors.js';

/** A machine said something that is not what was asked for. `what` is a sentence of ours: nothing of the answer is repeated. */
export function unreadable(what: string): ForgeError {
  return new ForgeError(`The machine gave no readable answer: ${what}.`, {
    code: 'REMOTE_ANSWER_UNREADABLE',
    exit: EXIT.notReady,
    hint: "Try again. If it stays so, something else answers on the machine in the place of the image's programs.",
  });
}
