import { redactSecrets } from '../secrets/redact.js';

/** CSI, OSC, the other strings that end in ST, and escapes of one character. */
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[PX^_][^\u001b]*(?:\u001b\\)?|\u001b[ -/]*[0-Z\\-~]/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
const COLOR = /^\u001b\[([\d;]{0,40})m$/u;
const RESET = '\u001b[0m';
/** All but the tab. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\p{Cf}\u2028\u2029]+/gu;

export interface CleanOptions {
  /** Colours of the log stay; everything else that steers a terminal goes. */
  color?: boolean;
  redact?: (text: string) => string;
}

/** One line of a log as one safe line, its indentation kept: no escapes, no control characters, and no secrets. */
export function cleanLogLine(text: string, { color = false, redact = redactSecrets }: CleanOptions = {}): string {
  const shown = lastState(text);
  const bare = withoutControls(shown.replace(ESCAPES, ''));
  const plain = redact(bare).trimEnd();
  if (!color || redact(bare) !== bare) return plain;
  return keepColors(shown) ?? plain;
}

/**
 * A log line of a machine for a place that has room for one line of text (traps 24: caddy.log and the container's output
 * hold web credentials).
 */
export function cleanRemoteLine(text: string): string {
  return cleanLogLine(text).replace(/\t/gu, ' ').trim();
}

/** Every line of a text, safe to keep in a file. */
export function safeLines(text: string, redact: (line: string) => string): string[] {
  const lines = text.split('\n').map((line) => cleanLogLine(line, { redact }));
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

/** The lines as details of something else: one line each, and without the empty ones of progress bars. */
export function cleanLines(text: string): string[] {
  return text
    .split('\n')
    .map(cleanRemoteLine)
    .filter((line) => line !== '');
}

/** Of what a progress bar wrote over itself, the last that was not blank. */
function lastState(text: string): string {
  if (!text.includes('\r')) return text;
  const states = text.split('\r');
  return states.findLast((state) => state.replace(ESCAPES, '').trim() !== '') ?? '';
}

function withoutControls(text: string): string {
  return text.replace(CONTROLS, ' ');
}

/** Null when there is no colour in it. */
function keepColors(text: string): string | null {
  let shown = '';
  let at = 0;
  let hasColor = false;
  for (const match of text.matchAll(ESCAPES)) {
    const color = keptColor(match[0]);
    hasColor ||= color !== '';
    shown += withoutControls(text.slice(at, match.index)) + color;
    at = match.index + match[0].length;
  }
  shown += withoutControls(text.slice(at));
  return hasColor ? `${shown.trimEnd()}${RESET}` : null;
}

/** Colours, bold, faint, italic, underlined; nothing that hides text or makes it blink. */
function keptColor(sequence: string): string {
  const codes = COLOR.exec(sequence)?.[1];
  if (codes === undefined) return '';
  const hides = /(?:^|;)0*[58](?:;|$)/u.test(codes.replace(/(?:^|;)[34]8;(?:5;\d+|2;\d+;\d+;\d+)/gu, ';'));
  return hides ? '' : sequence;
}
