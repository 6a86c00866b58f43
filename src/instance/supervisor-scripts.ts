import { PROGRAMS } from './layout.js';

/**
 * Stops and starts Forge through supervisor. A stop may take stopwaitsecs, 10 s, and a group kill (instance.md 7); a
 * program that was not running is no failure, one that supervisor does not know is.
 */
export function restartForgeScript(): string {
  return `command -v supervisorctl >/dev/null 2>&1 || { echo "there is no supervisor" >&2; exit 1; }
supervisorctl stop ${PROGRAMS.forge} >/dev/null 2>&1
answer=$(supervisorctl start ${PROGRAMS.forge} 2>&1)
case $answer in
  *'already started'*|*': started'*) exit 0 ;;
esac
# Slow starters answer late; the process is what counts.
supervisorctl status ${PROGRAMS.forge} 2>&1 | grep -qE 'RUNNING|STARTING|BACKOFF' && exit 0
printf '%s\\n' "$answer" >&2
exit 1
`;
}
