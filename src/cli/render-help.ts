import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Config, Help } from '@oclif/core';
import { sortManifest } from './sort-manifest.js';
import { VERSION_PLACE } from './stored-help.js';

/**
 * Part of the build: lets oclif render every help page once. Rendering (templates, wrapping) costs as much as starting
 * node; a stored page costs nothing (test/bench/startup.js).
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
sortManifest(join(root, 'oclif.manifest.json'));
const config = await Config.load(root);
const pages: Record<string, string> = {};
for (const id of ['', ...config.topics.map((topic) => topic.name), ...config.commandIDs]) {
  const words = id === '' ? [] : id.split(':');
  const page = await captured(() => new Help(config, { stripAnsi: true }).showHelp(words.length === 0 ? [] : [id]));
  pages[words.join(' ')] = page.replaceAll(config.userAgent, VERSION_PLACE);
}
mkdirSync(join(root, 'dist'), { recursive: true });
writeFileSync(join(root, 'dist', 'help.json'), JSON.stringify(pages));

async function captured(work: () => Promise<void>): Promise<string> {
  const { write } = process.stdout;
  let text = '';
  process.stdout.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof write;
  try {
    await work();
  } finally {
    process.stdout.write = write;
  }
  return text;
}
