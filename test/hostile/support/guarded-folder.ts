import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A user's folder with a place for copies, `dest`, and things beside it that no copy may touch. */
export class GuardedFolder {
  readonly top = mkdtempSync(join(tmpdir(), 'forgectl hostile '));
  private before = '';

  at(...names: string[]): string {
    return join(this.top, ...names);
  }

  /** As at the beginning. */
  reset(): void {
    for (const name of readdirSync(this.top)) rmSync(this.at(name), { recursive: true, force: true });
    mkdirSync(this.at('outside', 'sub'), { recursive: true });
    mkdirSync(this.at('dest'));
    writeFileSync(this.at('.bashrc'), 'mine');
    writeFileSync(this.at('outside', 'keep.txt'), 'keep');
    writeFileSync(this.at('outside', 'sub', 'k'), 'k');
    this.before = this.describe();
  }

  /** What differs beside `dest`; empty when nothing does. */
  changes(): string[] {
    const [before, now] = [this.before.split('\n'), this.describe().split('\n')];
    return [...now.filter((line) => !before.includes(line)), ...before.filter((line) => !now.includes(line))];
  }

  remove(): void {
    rmSync(this.top, { recursive: true, force: true });
  }

  private describe(): string {
    const lines: string[] = [];
    const look = (path: string): void => {
      for (const name of readdirSync(this.at(path)).sort()) {
        const below = join(path, name);
        if (below === 'dest') continue;
        const stats = lstatSync(this.at(below));
        const what = stats.isFile()
          ? createHash('sha256')
              .update(readFileSync(this.at(below)))
              .digest('hex')
          : stats.isSymbolicLink()
            ? readlinkSync(this.at(below))
            : '';
        lines.push(`${JSON.stringify(below)} ${stats.mode.toString(8)} ${what}`);
        if (stats.isDirectory()) look(below);
      }
    };
    look('');
    return lines.join('\n');
  }
}
