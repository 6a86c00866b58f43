// Builds src/ into dist/ as a bundle with shared chunks. A bundle, because oclif and undici are hundreds of small
// files, and opening them is most of a short command's time (test/bench/startup.js prints both sides).
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build, context } from 'esbuild';

const filesBelow = (directory) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

const options = {
  entryPoints: ['src/cli/run.ts', 'src/cli/demo.ts', 'src/cli/render-help.ts', ...filesBelow('src/commands')],
  outdir: 'dist',
  outbase: 'src',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Names stay for stack traces in bug reports; white space and syntax go, for less to read at start-up.
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'none',
  // Bundled CommonJS asks for these three; ESM does not have them.
  banner: {
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      "import { fileURLToPath as __fileURLToPath } from 'node:url';",
      "import { dirname as __dirnameOf } from 'node:path';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = __fileURLToPath(import.meta.url);',
      'const __dirname = __dirnameOf(__filename);',
    ].join(''),
  },
  // Optional accelerator of ssh2, and what oclif wants only when it runs from TypeScript sources.
  external: ['cpu-features', '*.node', 'typescript', 'ts-node', 'tsx'],
  logLevel: 'warning',
};

rmSync('dist', { recursive: true, force: true });
if (process.argv.includes('--watch')) await (await context(options)).watch();
else await build(options);
