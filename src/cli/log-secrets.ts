import { createRedactor, isSecretName } from '../instance/redact.js';
import type { Instance } from '../vast/model.js';

/** Takes out secrets by their looks, and those of this instance by their value. */
export function instanceRedactor({ jupyterToken, extraEnv }: Instance): (text: string) => string {
  const values = extraEnv.filter(([name]) => isSecretName(name)).map(([, value]) => value);
  return createRedactor([jupyterToken, ...values]);
}
