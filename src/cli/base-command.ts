import { Command, Flags, type Interfaces } from '@oclif/core';
import { EXIT, ForgeError } from '../errors.js';
import { documentText, writeOut } from '../ui/door.js';
import { ownWords, wantsEvents, wantsJson } from './argv.js';
import { type ForgeContext, openContext } from './context.js';

export type ParsedFlags<T extends typeof Command> = Interfaces.InferredFlags<
  (typeof BaseCommand)['baseFlags'] & T['flags']
>;
export type ParsedArgs<T extends typeof Command> = Interfaces.InferredArgs<T['args']>;

/**
 * How every command starts and ends. Errors are not rendered here but in run.ts, in one place for commands, flags that
 * do not parse and commands that do not exist; so `catch` only passes on.
 */
export abstract class BaseCommand<T extends typeof Command> extends Command {
  static override enableJsonFlag = false;
  /** False for commands whose subject are unfinished runs. */
  static tellsCutOffRuns = true;

  static override baseFlags = {
    json: Flags.boolean({
      description: 'Print exactly one JSON document on stdout, on success and on failure.',
      env: 'FORGECTL_JSON',
      helpGroup: 'GLOBAL',
    }),
    quiet: Flags.boolean({
      char: 'q',
      description: 'Print only the answer and warnings.',
      env: 'FORGECTL_QUIET',
      helpGroup: 'GLOBAL',
    }),
    debug: Flags.boolean({
      description: 'Show the calls to the API on stderr, with secrets taken out.',
      env: 'FORGECTL_DEBUG',
      helpGroup: 'GLOBAL',
    }),
    context: Flags.string({
      description: 'Use this context (API endpoint and credential) instead of the current one.',
      env: 'FORGECTL_CONTEXT',
      helpValue: 'NAME',
      helpGroup: 'GLOBAL',
    }),
    sandbox: Flags.boolean({
      description: 'Use the sandbox, a pretend Vast.ai on this computer; it is started when it is not running.',
      env: 'FORGECTL_SANDBOX',
      helpGroup: 'GLOBAL',
    }),
  };

  protected flags!: ParsedFlags<T>;
  protected args!: ParsedArgs<T>;
  /** All words that are not flags, for commands that take any number of them. */
  protected words: string[] = [];
  private opened: ForgeContext | null = null;

  override async init(): Promise<void> {
    await super.init();
    const { args, argv, flags } = await this.parse({
      flags: this.ctor.flags,
      baseFlags: (super.ctor as typeof BaseCommand).baseFlags,
      args: withoutStdin(this.ctor.args),
      strict: this.ctor.strict,
      enableJsonFlag: false,
    });
    this.flags = flags as ParsedFlags<T>;
    this.args = args as ParsedArgs<T>;
    this.words = argv as string[];
  }

  /** Settings, API, terminal, reporter: each is made when it is first used. */
  protected get context(): ForgeContext {
    this.opened ??= openContext({
      contextName: this.contextName(),
      json: this.flags.json,
      events: wantsEvents(this.argv),
      quiet: this.flags.quiet,
      debug: this.flags.debug,
      version: this.config.version,
      tellsCutOffRuns: (this.ctor as typeof BaseCommand).tellsCutOffRuns,
    });
    return this.opened;
  }

  /** What was typed wins over the environment, whichever of the two words it is. */
  private contextName(): string | null {
    const typed = ownWords(this.argv);
    const typedSandbox = typed.includes('--sandbox');
    const typedContext = typed.some((word) => word === '--context' || word.startsWith('--context='));
    if (typedSandbox && typedContext) {
      throw new ForgeError('--sandbox and --context name two contexts.', {
        code: 'USAGE',
        exit: EXIT.usage,
        hint: 'Give one of them.',
      });
    }
    if (typedContext) return this.flags.context ?? null;
    return this.flags.sandbox ? 'sandbox' : (this.flags.context ?? null);
  }

  /** The answer. Human form on stdout unless --json is on; then the document that run() returns is printed instead. */
  protected answer(text: string): void {
    if (!this.jsonEnabled() && text !== '') writeOut(text.endsWith('\n') ? text : `${text}\n`);
  }

  override jsonEnabled(): boolean {
    return wantsJson(this.argv, process.env);
  }

  protected override logJson(json: unknown): void {
    const text = wantsEvents(this.argv)
      ? documentText({ event: 'result', time: new Date().toISOString(), result: json })
      : documentText(json, 2);
    writeOut(`${text}\n`);
  }

  protected override async catch(error: Error): Promise<never> {
    throw error;
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    await this.opened?.close();
    await super.finally(error);
  }
}

/** oclif would take a missing argument from stdin: `list | forgectl destroy` must not, and a command's stdin is its own. */
function withoutStdin<A extends Command['ctor']['args']>(args: A): A {
  return Object.fromEntries(Object.entries(args).map(([name, arg]) => [name, { ...arg, ignoreStdin: true }])) as A;
}
