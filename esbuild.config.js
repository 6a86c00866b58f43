// Builds src/ into dist/ as a bundle with shared chunks. A bundle, because oclif and undici are hundreds of small
// files, and opening them is most of a short command's time (test/bench/startup.js prints both sides). What is published
// is the bundle alone: all packages are in it, so that `npm install` fetches one, and are development dependencies here.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, context } from 'esbuild';

const filesBelow = (directory) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

/** ssh2's ciphers in C, where the install could build them: a relative path that a bundle in dist/ would look for in vain. */
const sshCrypto = {
  name: 'ssh-crypto',
  setup: (build) =>
    build.onResolve({ filter: /crypto\/build\/Release\/sshcrypto\.node$/ }, () => ({
      path: 'ssh2/lib/protocol/crypto/build/Release/sshcrypto.node',
      external: true,
    })),
};

/** Of undici only its client: fetch, WebSocket, caches and mocks are two thirds of it, and every call of the API would load them. */
const undiciClient = {
  name: 'undici-client',
  setup: (build) => {
    build.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'undici-client' }));
    build.onLoad({ filter: /.*/, namespace: 'undici-client' }, () => ({
      // As its index does it: the calls become methods of what sends them.
      contents: `
        Object.assign(require('undici/lib/dispatcher/dispatcher.js').prototype, require('undici/lib/api/index.js'));
        exports.Agent = require('undici/lib/dispatcher/agent.js');`,
      resolveDir: import.meta.dirname,
    }));
  },
};

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
  plugins: [sshCrypto, undiciClient],
  logLevel: 'warning',
  metafile: true,
};

/** node_modules/a/node_modules/@b/c/lib/d.js -> node_modules/a/node_modules/@b/c */
const packageOf = (file) =>
  /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/u.exec(file.replace(/^undici-client:/u, 'node_modules/'))?.[0];

/** The licenses of what is in the bundle ask for their text in every copy. */
function writeLicenses({ outputs }) {
  const inputs = Object.values(outputs).flatMap((output) => Object.keys(output.inputs));
  const packages = [...new Set(inputs.map(packageOf))].filter((path) => path !== undefined).sort();
  const notices = packages.map((path) => {
    const { name, version, license, licenses, author } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const file = readdirSync(path).find((entry) => /^(licen[cs]e|copying)/iu.test(entry));
    const text =
      file === undefined
        ? `By ${author?.name ?? author ?? 'its authors'}.`
        : readFileSync(join(path, file), 'utf8').trim();
    return `${name} ${version} (${license ?? licenses?.[0]?.type})\n\n${text}\n`;
  });
  const head = 'forgectl contains parts of these packages, under their own licenses.\n';
  writeFileSync('dist/third-party-licenses.txt', [head, ...notices].join(`\n${'-'.repeat(80)}\n\n`));
}

rmSync('dist', { recursive: true, force: true });
if (process.argv.includes('--watch')) await (await context(options)).watch();
else writeLicenses((await build(options)).metafile);
