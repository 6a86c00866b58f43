import { createRedactor } from '../secrets/known-values.js';
import { secretParts } from '../secrets/redact.js';
import type { Instance } from '../vast/model.js';

/** Takes out secrets by their looks, and those of this instance by their value. */
export function instanceRedactor({ jupyterToken, extraEnv }: Instance): (text: string) => string {
  const values = extraEnv.flatMap(([name, value]) => secretParts(name, value));
  return createRedactor([jupyterToken, ...values]);
}
