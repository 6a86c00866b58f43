import { COMPARE } from './python-compare.js';
import { FILES } from './python-files.js';
import { LOG } from './python-log.js';
import { READER } from './python-reader.js';
import { WATCH } from './python-watch.js';

/**
 * The machine's half of `logs`: it holds the files open and sends what is added to them, in frames (frames.ts). Python,
 * since supervisor is written in it and no shell command can hold a file, compare it with what its name leads to now, and
 * read on from a byte. A file is known by inode and time of birth, because inodes are used again within milliseconds; a
 * position is a byte of such a file, with the bytes before it as a check.
 *
 * What happens to logs (base-image: utils/logging.sh, log-tee, portal.py): a service that starts moves its log to .old;
 * above 5 MB the last 1 MB is written to a new file that takes the name, while writers may still hold the one before.
 */
export const LOG_READER = [FILES, COMPARE, LOG, WATCH, READER].join('\n');
