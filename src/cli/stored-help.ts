import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Stands in the stored pages for what only the running program knows. */
export const VERSION_PLACE = '@version@';

/** The page that was asked for, when the build stored it; null when oclif has to look (or to complain). */
export function storedHelp(argv: readonly string[], root: string, version: () => string): string | null {
  const words = argv[0] === 'help' ? argv.slice(1) : argv.filter((word) => word !== '--help');
  const asked = argv.length === 0 || argv[0] === 'help' || (argv.includes('--help') && !argv.includes('--'));
  if (!asked || words.some((word) => word.startsWith('-'))) return null;
  try {
    const pages = JSON.parse(readFileSync(join(root, 'dist', 'help.json'), 'utf8')) as Record<string, string>;
    return pages[words.join(' ')]?.replaceAll(VERSION_PLACE, version()) ?? null;
  } catch {
    return null;
  }
}
