// Loaded into a forgectl process with --import: ends it with SIGKILL right before or right after the n-th time that a
// journal gets its name (KILL_AT_JOURNAL_WRITE="before:3"), and counts these times into a file (COUNT_JOURNAL_WRITES).
// KILL_BEFORE_STEP="source:done" ends it right before the journal would say that.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { rename, renameSync } = fs;
const [when, number] = (process.env['KILL_AT_JOURNAL_WRITE'] ?? ':0').split(':');
const countFile = process.env['COUNT_JOURNAL_WRITES'];
const [stepId, stepState] = (process.env['KILL_BEFORE_STEP'] ?? ':').split(':');
let writes = 0;

function says(draft) {
  const { steps } = JSON.parse(fs.readFileSync(draft, 'utf8'));
  return steps.some(({ id, state }) => id === stepId && state === stepState);
}

/** Whether this is the n-th write. */
function isNow(draft, path) {
  if (!/[\\/]runs[\\/].*\.json$/u.test(String(path))) return false;
  if (stepId !== '' && says(draft)) process.kill(process.pid, 'SIGKILL');
  writes += 1;
  if (countFile !== undefined) fs.appendFileSync(countFile, '.');
  return writes === Number(number);
}

function dieIf(condition) {
  if (condition) process.kill(process.pid, 'SIGKILL');
}

fs.rename = (from, to, callback) => {
  const now = isNow(from, to);
  dieIf(now && when === 'before');
  rename(from, to, (error) => {
    dieIf(now && when === 'after');
    callback(error);
  });
};
fs.renameSync = (from, to) => {
  const now = isNow(from, to);
  dieIf(now && when === 'before');
  renameSync(from, to);
  dieIf(now && when === 'after');
};
syncBuiltinESMExports();
