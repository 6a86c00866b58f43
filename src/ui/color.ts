export interface Palette {
  good(text: string): string;
  bad(text: string): string;
  faint(text: string): string;
  strong(text: string): string;
  /** To tell things apart that are equals. */
  marks: ((text: string) => string)[];
}

const plain = (text: string): string => text;
const PLAIN: Palette = { good: plain, bad: plain, faint: plain, strong: plain, marks: [plain] };

/** chalk is loaded only where there is colour to show. */
export async function palette(color: boolean): Promise<Palette> {
  if (!color) return PLAIN;
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  const marks = [chalk.cyan, chalk.magenta, chalk.yellow, chalk.blue, chalk.green];
  return { good: chalk.green, bad: chalk.red, faint: chalk.dim, strong: chalk.bold, marks };
}

/** Colours that tell names apart. */
export async function namePaints(color: boolean): Promise<((text: string) => string)[]> {
  if (!color) return [(text) => text];
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  return [chalk.cyan, chalk.magenta, chalk.yellow, chalk.green, chalk.blue];
}
