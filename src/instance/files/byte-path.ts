/**
 * The bytes of a path, each as one character (latin1), so that names which are not UTF-8 survive as keys, in sorting and
 * on their way to the other machine. Never shown or typed as it is: `toText` and `fromText` are for that.
 */
export type BytePath = string & { readonly brand: 'bytes of a path' };

export function fromBytes(bytes: Uint8Array): BytePath {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as BytePath;
}

export function fromText(text: string): BytePath {
  return Buffer.from(text, 'utf8').toString('latin1') as BytePath;
}

export function toBytes(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1');
}

/** For people: what is not UTF-8 becomes a replacement character. */
export function toText(path: BytePath): string {
  return toBytes(path).toString('utf8');
}

export const HERE = '' as BytePath;

export function joinPath(base: BytePath, name: BytePath): BytePath {
  if (name === '') return base;
  if (base === '') return name;
  return (base.endsWith('/') ? `${base}${name}` : `${base}/${name}`) as BytePath;
}

export function parentOf(path: BytePath): BytePath {
  const at = path.lastIndexOf('/');
  if (at === -1) return HERE;
  return (at === 0 ? '/' : path.slice(0, at)) as BytePath;
}

export function nameOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf('/') + 1) as BytePath;
}

/** True for a path that cannot lead out of the directory it is relative to. The other machine's word is not enough. */
export function staysInside(path: string): boolean {
  if (path === '' || path.includes('\0')) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** A path from the root on without `.`, `..` or empty parts: what a real path is, if the machine that names it does not lie. */
export function isRealPath(path: string): boolean {
  return path === '/' || (path.startsWith('/') && staysInside(path.slice(1)));
}
