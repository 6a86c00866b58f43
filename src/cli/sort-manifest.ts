import { readFileSync, writeFileSync } from 'node:fs';

/** oclif writes commands in the order in which the directories were read, which differs from one build to the next. */
export function sortManifest(path: string): void {
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as { commands: Record<string, unknown> };
  const byId = ([one]: [string, unknown], [other]: [string, unknown]): number => (one < other ? -1 : 1);
  const commands = Object.fromEntries(Object.entries(manifest.commands).sort(byId));
  writeFileSync(path, JSON.stringify({ ...manifest, commands }, null, 2));
}
