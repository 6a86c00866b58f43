/** What a workflow can say while it works. Three renderers: a terminal, plain lines, JSON events. Workflows report, they never print. */
export interface Reporter {
  /** Opens a stage; only one is open at a time. `title` is the line that the user sees. */
  stage(id: string, title: string): Stage;
  /** One line of information on stderr; hidden by --quiet. */
  info(text: string): void;
  /** A warning on stderr, shown even with --quiet. */
  warn(text: string): void;
  /** A fact for `--json --events` (one JSON line on stdout); other renderers ignore it. Keys snake_case. */
  event(name: string, data?: Record<string, unknown>): void;
}

export interface Stage {
  /** Replaces the detail shown after the title (status message, last log line, cost so far). Must already be free of secrets; is stripped of control characters here. */
  detail(text: string): void;
  /** Ends the stage with a tick; `text` replaces the title when given. */
  done(text?: string): void;
  /** Ends the stage with a cross. */
  failed(text?: string): void;
}
