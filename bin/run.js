#!/bin/sh
':' //; exec node -- "$0" "$@"
// To a shell the line above starts Node on this file; to Node it is a string and a comment. With `--`, because Node takes
// options of its own out of all of its line otherwise: --env-file. `env -S node --` would say the same, but env of BusyBox
// (Alpine) has no -S.
import { existsSync } from 'node:fs';

const program = new URL('../dist/cli/run.js', import.meta.url);
if (existsSync(program)) await (await import(program)).run(import.meta.url);
else {
  const [message, hint] = ['This copy of forgectl is not built.', 'npm ci && npm run build'];
  if (process.argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ error: { code: 'NOT_BUILT', message, hint, exit: 1 } }, null, 2)}\n`);
  else process.stderr.write(`Error: ${message}\n  ${hint}\n`);
  process.exitCode = 1;
}
