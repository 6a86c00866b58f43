import { formatDuration } from '../ui/format.js';
import type { Reporter, Stage } from '../ui/reporter.js';
import { cleanLine } from '../ui/sanitize.js';
import type { TunnelEvent } from '../workflows/tunnel/events.js';
import type { LocalForward } from '../workflows/tunnel/local-forward.js';
import { rounded } from './tunnel-output.js';

/** Tells a person what a tunnel does: one stage at a time, on stderr. */
export class TunnelView {
  private readonly reporter: Reporter;
  private readonly name: string;
  private stage: { id: 'connect' | 'services'; stage: Stage } | null = null;
  private readonly waiting = new Set<LocalForward>();

  constructor(reporter: Reporter, name: string) {
    this.reporter = reporter;
    this.name = name;
  }

  tell(event: TunnelEvent): void {
    const { reporter } = this;
    switch (event.event) {
      case 'listening':
        this.moved(event.forward);
        return;
      case 'connecting':
        this.open('connect', `Connecting to ${this.name}`);
        return;
      case 'retrying':
        this.open('connect', `Connecting to ${this.name}`).detail(
          `${event.error.message} Again in ${formatDuration(event.inMs)}.`,
        );
        return;
      case 'connected':
        this.end('connect', `Connected to ${this.name} (${describeWay(event)})`);
        return;
      case 'reconnected':
        this.end('connect', `Connected again after ${formatDuration(event.afterMs)} (${describeWay(event)})`);
        return;
      case 'stalled':
        reporter.warn(`${capital(event.reason)}; trying another way.`);
        return;
      case 'recovered':
        this.end('connect', 'It answers again');
        return;
      case 'lost':
        this.waiting.clear();
        this.drop();
        reporter.warn(`Lost ${this.name}: ${event.reason}. New connections wait up to 10 s.`);
        return;
      case 'not_ready':
        this.notReady(event);
        return;
      case 'ready':
        this.ready(event.forward, event.httpStatus);
        return;
      case 'reverse_ready':
        reporter.info(`${event.reverse.remote} of the machine leads to ${event.reverse.local} of this computer.`);
        return;
      case 'reverse_refused':
        reporter.warn(`The machine does not open ${event.reverse.remote}; it is tried again.`);
        return;
      case 'warning':
        reporter.warn(event.message);
        return;
      case 'closed':
        this.drop();
    }
  }

  /** Only what is not where it was expected is worth a line before it is ready. */
  private moved({ wished, end, name }: LocalForward): void {
    if (wished.kind === 'tcp' && end.kind === 'tcp' && wished.port !== 0 && wished.port !== end.port)
      this.reporter.info(`Port ${wished.port} is taken: ${name} is on ${end.port}.`);
  }

  private notReady({ forward, stage, reason, logTail }: TunnelEvent & { event: 'not_ready' }): void {
    if (!this.waiting.has(forward)) {
      this.waiting.add(forward);
      this.reporter.info(`The tunnel is up; ${called(forward)} does not answer yet (${cleanLine(stage)}).`);
      for (const line of logTail) this.reporter.info(`  | ${cleanLine(line)}`);
    }
    this.open('services', `Waiting for ${called(forward)}`).detail(detailOf(forward, stage, reason));
  }

  private ready(forward: LocalForward, httpStatus: number | null): void {
    const text =
      httpStatus === null
        ? `${called(forward)} accepts connections`
        : `${called(forward)} answers (HTTP ${httpStatus})`;
    this.waiting.delete(forward);
    if (this.waiting.size === 0 && this.stage?.id === 'services') this.end('services', text);
    else this.reporter.info(`${capital(text)}.`);
  }

  private open(id: 'connect' | 'services', title: string): Stage {
    if (this.stage?.id !== id) {
      this.drop();
      this.stage = { id, stage: this.reporter.stage(id, title) };
    }
    return this.stage.stage;
  }

  private end(id: 'connect' | 'services', text: string): void {
    if (this.stage?.id !== id) return;
    this.stage.stage.done(text);
    this.stage = null;
  }

  private drop(): void {
    this.stage?.stage.failed();
    this.stage = null;
  }
}

/** "forge", "port 8000", "db.internal:5432", "the SOCKS proxy" */
function called({ service, target, name }: LocalForward): string {
  if (target === null) return 'the SOCKS proxy';
  return service === null && target.host === '127.0.0.1' ? `port ${target.port}` : name;
}

function detailOf(forward: LocalForward, stage: string, reason: string): string {
  return forward.service === null ? reason : `${stage}: ${reason}`;
}

function describeWay({
  via,
  address,
  roundTripMs,
}: {
  via: string;
  address: string;
  roundTripMs: number | null;
}): string {
  const distance = roundTripMs === null ? '' : `, ${rounded(roundTripMs)} ms`;
  return `${via}, ${address}${distance}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
