/** The create call takes an object by the guide and a docker-flag string by the spec; both are read (vast-api 4.1). */
export function readEnv(value: unknown): Record<string, string> {
  if (typeof value === 'string') return readFlags(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, String(item)]));
}

function readFlags(text: string): Record<string, string> {
  const words =
    text
      .match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/gu)
      ?.map((word) => word.replace(/"([^"]*)"|'([^']*)'/gu, (_, double, single) => double ?? single ?? '')) ?? [];
  const env: Record<string, string> = {};
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word === '-e' || word === '--env') {
      const pair = words[++index] ?? '';
      env[pair.split('=')[0] ?? ''] = pair.slice(pair.indexOf('=') + 1);
    } else if (/^-[pvh]$/u.test(word)) {
      env[`${word} ${words[++index] ?? ''}`] = '1';
    } else if (word.startsWith('-')) {
      env[word] = '1';
    }
  }
  return env;
}

/** "-p 1111:1111" publishes a port; the other names are variables. */
export function splitEnv(env: Record<string, string>): { variables: Record<string, string>; ports: number[] } {
  const variables: Record<string, string> = {};
  const ports: number[] = [];
  for (const [name, value] of Object.entries(env)) {
    const port = /^-p\s+(?:[\d.]+:)?\d+:(\d+)(?:\/(?:tcp|udp))?$/u.exec(name)?.[1];
    if (port !== undefined) ports.push(Number(port));
    else if (!name.startsWith('-')) variables[name] = value;
  }
  return { variables, ports };
}
