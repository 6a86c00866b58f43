import { ownColor } from './door.js';

type Paint = (text: string) => string;

export interface Palette {
  good: Paint;
  bad: Paint;
  faint: Paint;
  strong: Paint;
  /** To tell things apart that are equals. */
  marks: Paint[];
}

const plain: Paint = (text) => text;
const PLAIN: Palette = { good: plain, bad: plain, faint: plain, strong: plain, marks: [plain] };

/** chalk is loaded only where there is colour to show. */
export async function palette(color: boolean): Promise<Palette> {
  if (!color) return PLAIN;
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  const marks = [chalk.cyan, chalk.magenta, chalk.yellow, chalk.blue, chalk.green].map(ownPaint);
  return {
    good: ownPaint(chalk.green),
    bad: ownPaint(chalk.red),
    faint: ownPaint(chalk.dim),
    strong: ownPaint(chalk.bold),
    marks,
  };
}

/** Colours that tell names apart. */
export async function namePaints(color: boolean): Promise<Paint[]> {
  if (!color) return [plain];
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  return [chalk.cyan, chalk.magenta, chalk.yellow, chalk.green, chalk.blue].map(ownPaint);
}

/**
 * A style of chalk in sequences that the door knows as ours. chalk sees one letter of ours and never the text: sequences
 * that the text brings along must not become ours.
 */
function ownPaint(style: Paint): Paint {
  const [open = '', close = ''] = style('x').split('x').map(ownSequence);
  // As chalk does it: no colour runs over the end of a line.
  return (text) => (text === '' ? '' : `${open}${text.replaceAll('\n', `${close}\n${open}`)}${close}`);
}

function ownSequence(sequence: string): string {
  return ownColor(sequence.slice(2, -1));
}
