/** `put KEY TEXT` and `emit KEY <TEXT` print a fact as a line that nothing in the text can break. */
export const SAY_FACTS = `
emit() { printf '%s=%s\\n' "$1" "$(base64 | tr -d '\\n')"; }
put() { printf '%s' "$2" | emit "$1"; }
`;

/** The lines `key=base64`; anything else (noise of tools) is passed over. */
export class Facts {
  private readonly values = new Map<string, string>();

  constructor(text: string) {
    for (const line of text.split(/\r?\n/u)) {
      const match = /^([\w.]+)=([A-Za-z0-9+/]*={0,2})$/u.exec(line);
      if (match !== null) this.values.set(match[1] ?? '', Buffer.from(match[2] ?? '', 'base64').toString('utf8'));
    }
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** Null for nothing and for what is not there. */
  text(key: string): string | null {
    return this.values.get(key)?.trim() || null;
  }

  lines(key: string): string[] {
    return (this.values.get(key) ?? '').split('\n').filter((line) => line.trim() !== '');
  }

  /** As it was, white space and all; null when it is not there. */
  raw(key: string): string | null {
    return this.values.get(key) ?? null;
  }

  /** Everything below `prefix.`, by the next part of the key, in the order it came. */
  groups(prefix: string): string[] {
    const names = [...this.values.keys()].flatMap((key) =>
      key.startsWith(`${prefix}.`) ? [key.slice(prefix.length + 1).split('.')[0] ?? ''] : [],
    );
    return [...new Set(names)];
  }

  number(key: string): number | null {
    const text = this.text(key);
    return text === null || !/^\d+$/u.test(text) ? null : Number(text);
  }
}
