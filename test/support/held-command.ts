import type { Finished, Home } from './forgectl.ts';

type Event = { event: string } & Record<string, unknown>;

/** A command that lives until it is told to end, with `--json --events`. */
export class HeldCommand {
  readonly finished: Promise<Finished>;
  readonly events: Event[] = [];
  pid = 0;
  private rest = '';
  private kill: ((signal: NodeJS.Signals) => void) | null = null;
  private readonly listeners = new Set<() => void>();
  private hasEnded = false;

  constructor(home: Home, words: string[], env: NodeJS.ProcessEnv = {}) {
    this.finished = home.run([...words, '--json', '--events'], {
      env,
      onStart: (pid) => {
        this.pid = pid;
      },
      onStdout: (text, kill) => {
        this.kill = kill;
        const lines = (this.rest + text).split('\n');
        this.rest = lines.pop() ?? '';
        this.events.push(...lines.map((line) => JSON.parse(line) as Event));
        for (const listener of this.listeners) listener();
      },
    });
    void this.finished.then(() => {
      this.hasEnded = true;
      for (const listener of this.listeners) listener();
    });
  }

  /** The first such event from the given place on. */
  async until(name: string, from = 0, fits: (event: Event) => boolean = () => true): Promise<Event> {
    for (;;) {
      const found = this.events.slice(from).find((event) => event.event === name && fits(event));
      if (found !== undefined) return found;
      if (this.hasEnded) {
        const { stdout, stderr } = await this.finished;
        throw new Error(`ended without "${name}": ${stdout}${stderr}`);
      }
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          this.listeners.delete(listener);
          resolve();
        };
        this.listeners.add(listener);
      });
    }
  }

  /** The end as a person makes it. */
  async interrupt(): Promise<Finished> {
    this.kill?.('SIGINT');
    return this.finished;
  }
}
