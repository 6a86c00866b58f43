import { EXIT, ForgeError } from '../errors.js';
import { ACTIVATE_NODE, ACTIVATE_PYTHON, EXTEND_PATH, LOAD_ENVIRONMENT } from './environment-script.js';
import { quote } from './remote-command.js';

export interface CommandRequest {
  /** One word is a line for the shell, as with ssh; several are a command and its arguments, exactly. */
  words: readonly string[];
  /** As ssh would run it: in the home directory, without the variables that services have. */
  raw: boolean;
  /** Null: $WORKSPACE. A relative one is below it. */
  directory: string | null;
}

/** Linux: MAX_ARG_STRLEN. sshd hands the whole line to the login shell as one argument. */
const MAX_LINE_BYTES = 128 * 1024 - 1;

/**
 * What sshd is asked to run. The environment is loaded by the line itself, because stdin is the command's own; the last
 * thing that the line does is to become the command, so its streams, exit code and signals are the command's.
 */
export function commandLine({ words, raw, directory }: CommandRequest): string {
  const line = raw ? rawLine(words) : wrappedLine(words, directory);
  const bytes = Buffer.byteLength(line);
  if (bytes <= MAX_LINE_BYTES) return line;
  throw new ForgeError(
    `The remote command is too long: ${bytes} bytes with its quotes, ${MAX_LINE_BYTES} can be sent.`,
    {
      code: 'COMMAND_TOO_LONG',
      exit: EXIT.usage,
      hint: 'Send it on stdin: forgectl exec INSTANCE -- bash -s < script.sh',
    },
  );
}

function rawLine(words: readonly string[]): string {
  return words.length === 1 ? (words[0] as string) : quote(words);
}

function wrappedLine(words: readonly string[], directory: string | null): string {
  const script = [
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: bash's, not ours
    'set +eu',
    'ROOT="${FORGECTL_ROOT-}"',
    LOAD_ENVIRONMENT,
    EXTEND_PATH,
    ACTIVATE_PYTHON,
    ACTIVATE_NODE,
    'cd "$WORKSPACE" 2>/dev/null',
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: bash's, not ours
    directory === null ? '' : `cd -- ${quote([inWorkspace(directory)])} || exit 1`,
    words.length === 1 ? 'exec bash --noprofile --norc -c "$1"' : BECOME_COMMAND,
  ].join('\n');
  return `exec ${quote(['bash', '--noprofile', '--norc', '-c', script, 'bash', ...words])}`;
}

/** "-" would mean the directory before, and a bare name would be looked up in CDPATH. */
function inWorkspace(directory: string): string {
  return directory.startsWith('/') ? directory : `./${directory}`;
}

/** A builtin of bash that is no program (type, ulimit, cd) runs as well, and a name that is neither gets bash's usual words. */
const BECOME_COMMAND = `
case $1 in
  */*) exec -- "$@" ;;
esac
[ -n "$(type -P -- "$1" </dev/null)" ] && exec -- "$@"
if [ "$(type -t -- "$1" </dev/null)" = builtin ]; then
  "$@"
  exit
fi
printf 'bash: %s: command not found\\n' "$1" >&2
exit 127
`;

/**
 * An interactive shell as a login gives it, but outside of tmux: the image's start-up files leave a shell alone that is in
 * tmux already, so they are read with that belief, which is taken back afterwards. ~/.no_auto_tmux stays as it is.
 */
export function shellOutsideTmux(): string {
  const startUp = [
    'TMUX=none',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: bash's, not ours
    '[ -r "${FORGECTL_ROOT-}/etc/profile" ] && . "${FORGECTL_ROOT-}/etc/profile"',
    'for forgectl_file in ~/.bash_profile ~/.bash_login ~/.profile ~/.bashrc; do',
    '  [ -r "$forgectl_file" ] && { . "$forgectl_file"; break; }',
    'done',
    'unset TMUX forgectl_file',
  ].join('\n');
  const script = `exec bash --rcfile <(printf %s ${quote([startUp])}) -i`;
  return `exec ${quote(['bash', '--noprofile', '--norc', '-c', script])}`;
}
