// `node --import ./test/lab/typescript.js FILE.ts`: Node 20 reads no TypeScript, and scripts of the lab are no tests.
import { register } from 'node:module';

if (!import.meta.url.endsWith('?hooks')) register(`${import.meta.url}?hooks`);

/** Sources in src/ name each other as what they become: "./journal.js" is journal.ts. */
export async function resolve(specifier, context, next) {
  const isSource = specifier.startsWith('.') && context.parentURL?.endsWith('.ts');
  if (!isSource || !specifier.endsWith('.js')) return next(specifier, context);
  return next(specifier.replace(/\.js$/u, '.ts'), context).catch(() => next(specifier, context));
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const { readFile } = await import('node:fs/promises');
  const { transform } = await import('esbuild');
  const text = await readFile(new URL(url), 'utf8');
  const { code } = await transform(text, { loader: 'ts', format: 'esm', target: 'node20', sourcemap: 'inline' });
  return { format: 'module', source: code, shortCircuit: true };
}
