import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** vitest's global setup: whichever sandbox is first builds the image of the machines, and all others copy it. */
export default function shareImages(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'forgectl images '));
  process.env['FORGECTL_SANDBOX_IMAGES'] = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}
