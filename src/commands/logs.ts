import { Args, Flags } from '@oclif/core';
import { answerInLines } from '../cli/argv.js';
import { BaseCommand } from '../cli/base-command.js';
import { eventsFlag } from '../cli/flags.js';
import { lineFilter } from '../cli/log-filter.js';
import { DEFAULT_TAIL, type LogRequest, parseSince, parseTail, tailLines } from '../cli/log-request.js';
import { logTarget } from '../cli/log-target.js';
import { showLogs } from '../cli/show-logs.js';

const SOURCES = ['list', 'all', 'boot', 'container', 'host'];
const others = (name: string): string[] => SOURCES.filter((other) => other !== name);

export default class Logs extends BaseCommand<typeof Logs> {
  static override description =
    'Show the logs of an instance: Forge, the portal, provisioning, whatever the machine keeps. Without a name: forge, and provisioning while it runs. Secrets are taken out, and control characters other than colours on a terminal.';
  static override strict = false;
  static override usage =
    'logs [INSTANCE] [SERVICE...] [-f] [-n LINES] [--since TIME] [--grep PATTERN [-i] [-v]] [--all | --list | --boot | --container | --host] [--json]';
  static override args = {
    instance: Args.string({
      description:
        'The instance, by id, C.<id>, label or unique start of a label. May be left out when there is exactly one.',
    }),
    service: Args.string({
      description: 'Logs by name, as --list shows them; NAME.old is what the last start moved aside.',
    }),
  };
  static override flags = {
    follow: Flags.boolean({
      char: 'f',
      description: 'Go on with what is added: over rotation, reboots and lost connections, each line once.',
    }),
    tail: Flags.custom<number | 'all'>({
      char: 'n',
      description: `Only the last lines of each log, also of the file before it; "all" for everything. ${DEFAULT_TAIL}, or all with --since or --grep.`,
      helpValue: 'LINES',
      parse: async (text) => parseTail(text),
    })(),
    since: Flags.custom<ReturnType<typeof parseSince>>({
      description:
        'Only what is not known to be older: 10m, 2h, 2026-01-31T12:30:00Z. Many lines carry no time (most of Forge); they count as newer than the last line that has one. A file that was not touched since is left out.',
      helpValue: 'TIME',
      parse: async (text) => parseSince(text),
    })(),
    grep: Flags.string({
      description: 'Only lines that match this regular expression, or hold this text.',
      helpValue: 'PATTERN',
    }),
    'ignore-case': Flags.boolean({
      char: 'i',
      description: 'With --grep: upper and lower case are the same.',
      dependsOn: ['grep'],
    }),
    'invert-match': Flags.boolean({
      char: 'v',
      description: 'With --grep: only lines that do not match.',
      dependsOn: ['grep'],
    }),
    all: Flags.boolean({
      description: 'Every log that the portal shows, also those that come later.',
      exclusive: others('all'),
    }),
    list: Flags.boolean({
      description: 'Which logs there are, their sizes and when they last changed.',
      exclusive: [...others('list'), 'follow', 'grep', 'since', 'tail'],
    }),
    boot: Flags.boolean({
      description: 'What happened at boot: failures of boot stages, and the output of the start script.',
      exclusive: [...others('boot'), 'follow'],
    }),
    container: Flags.boolean({
      description: 'What the container printed, over the API: works without SSH.',
      exclusive: others('container'),
    }),
    host: Flags.boolean({
      description: "What the host's daemon says of the container, over the API.",
      exclusive: others('host'),
    }),
    'ssh-key': Flags.string({
      description: 'Log in with this private key.',
      helpValue: 'FILE',
      env: 'FORGECTL_SSH_KEY',
    }),
    events: eventsFlag,
  };
  static override examples = [
    { description: 'The end of Forge’s log', command: '<%= config.bin %> logs my-forge' },
    {
      description: 'Forge and the portal, as they write',
      command: '<%= config.bin %> logs my-forge forge instance_portal -f',
    },
    {
      description: 'Errors of the last hour',
      command: '<%= config.bin %> logs my-forge --all --since 1h --grep "error|traceback" -i',
    },
    { description: 'A machine that does not come up', command: '<%= config.bin %> logs my-forge --boot' },
    { description: 'Lines as data, until Ctrl-C', command: '<%= config.bin %> logs my-forge -f --json' },
  ];

  async run(): Promise<Record<string, unknown>> {
    if (this.flags.follow) answerInLines();
    const { context, flags, words } = this;
    const vast = await context.vast();
    const target = logTarget(await vast.instances.list(), words, context.selfId);
    const source = SOURCES.find((name) => flags[name as 'list']) ?? null;
    return showLogs(context, target, {
      request: this.request(target.services),
      source,
      isJson: this.jsonEnabled(),
      answer: (text) => this.answer(text),
    });
  }

  private request(services: readonly string[]): LogRequest {
    const { flags } = this;
    const filter =
      flags.grep === undefined
        ? null
        : lineFilter(flags.grep, {
            ignoreCase: Boolean(flags['ignore-case']),
            invert: Boolean(flags['invert-match']),
          });
    return {
      services,
      all: Boolean(flags.all),
      follow: Boolean(flags.follow),
      tail: tailLines(flags.tail, flags.since !== undefined || filter !== null),
      since: flags.since ?? null,
      filter,
      sshKey: flags['ssh-key'] ?? null,
    };
  }
}
