export interface Palette {
  good(text: string): string;
  bad(text: string): string;
  faint(text: string): string;
  strong(text: string): string;
}

const PLAIN: Palette = { good: (text) => text, bad: (text) => text, faint: (text) => text, strong: (text) => text };

/** chalk is loaded only where there is colour to show. */
export async function palette(color: boolean): Promise<Palette> {
  if (!color) return PLAIN;
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  return { good: chalk.green, bad: chalk.red, faint: chalk.dim, strong: chalk.bold };
}
