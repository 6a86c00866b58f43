import { constants, promises as files, type Stats } from 'node:fs';
import { join, normalize, posix } from 'node:path';
import type { Attributes, FileEntry, SFTPWrapper } from 'ssh2';

/** Codes of the protocol (draft-ietf-secsh-filexfer-02, section 7). */
const STATUS = { ok: 0, endOfFile: 1, noSuchFile: 2, permissionDenied: 3, failure: 4, unsupported: 8 };
const OPEN = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 };

type Handle = { file: files.FileHandle; lastWrite: Promise<unknown> } | { entries: FileEntry[] };

/** Files of one machine. Paths are absolute from its root; `..` does not lead out, links inside may point anywhere. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one handler a message of the protocol
export function serveFiles(sftp: SFTPWrapper, root: string): void {
  const handles = new Map<number, Handle>();
  let nextHandle = 0;
  const real = (path: string): string => {
    const absolute = path.startsWith('/') ? path : posix.join('/root', path);
    // A remote command may have printed a path that carries the root already.
    return absolute === root || absolute.startsWith(`${root}/`)
      ? normalize(absolute)
      : join(root, posix.normalize(absolute));
  };
  const handleOf = (buffer: Buffer): Handle | undefined => handles.get(buffer.readUInt32BE(0));
  const keep = (handle: Handle): Buffer => {
    nextHandle += 1;
    handles.set(nextHandle, handle);
    const buffer = Buffer.alloc(4);
    buffer.writeUInt32BE(nextHandle);
    return buffer;
  };
  /** Answers with the status of the work; a missing file and a refusal have codes of their own. */
  const settle = (id: number, work: Promise<unknown>): void => {
    work.then(
      () => sftp.status(id, STATUS.ok),
      (error: NodeJS.ErrnoException) => fail(id, error),
    );
  };
  const fail = (id: number, error: NodeJS.ErrnoException): void => {
    const code =
      error.code === 'ENOENT'
        ? STATUS.noSuchFile
        : error.code === 'EACCES' || error.code === 'EPERM'
          ? STATUS.permissionDenied
          : STATUS.failure;
    sftp.status(id, code, error.message);
  };
  const stat = (id: number, work: Promise<Stats>): void => {
    work.then(
      (stats) => sftp.attrs(id, attributes(stats)),
      (error: NodeJS.ErrnoException) => fail(id, error),
    );
  };

  sftp.on('OPEN', (id, path, flags, attrs) => {
    files.open(real(path), openFlags(flags), attrs.mode === undefined ? 0o644 : attrs.mode & 0o7777).then(
      (file) => sftp.handle(id, keep({ file, lastWrite: Promise.resolve() })),
      (error: NodeJS.ErrnoException) => fail(id, error),
    );
  });
  sftp.on('READ', (id, buffer, offset, length) => {
    const handle = handleOf(buffer);
    if (handle === undefined || !('file' in handle)) return sftp.status(id, STATUS.failure);
    const into = Buffer.alloc(Math.min(length, 256 * 1024));
    handle.file.read(into, 0, into.length, offset).then(
      ({ bytesRead }) =>
        bytesRead === 0 ? sftp.status(id, STATUS.endOfFile) : sftp.data(id, into.subarray(0, bytesRead)),
      (error: NodeJS.ErrnoException) => fail(id, error),
    );
  });
  sftp.on('WRITE', (id, buffer, offset, data) => {
    const handle = handleOf(buffer);
    if (handle === undefined || !('file' in handle)) return sftp.status(id, STATUS.failure);
    // One after another, as OpenSSH's server answers: its client cuts the file at the end of what was confirmed without a gap.
    const bytes = Buffer.from(data);
    handle.lastWrite = handle.lastWrite.then(() => handle.file.write(bytes, 0, bytes.length, offset));
    settle(id, handle.lastWrite);
  });
  sftp.on('CLOSE', (id, buffer) => {
    const handle = handleOf(buffer);
    handles.delete(buffer.readUInt32BE(0));
    settle(id, handle !== undefined && 'file' in handle ? handle.file.close() : Promise.resolve());
  });
  sftp.on('OPENDIR', (id, path) => {
    listDirectory(real(path)).then(
      (entries) => sftp.handle(id, keep({ entries })),
      (error: NodeJS.ErrnoException) => fail(id, error),
    );
  });
  sftp.on('READDIR', (id, buffer) => {
    const handle = handleOf(buffer);
    if (handle === undefined || !('entries' in handle)) return sftp.status(id, STATUS.failure);
    const page = handle.entries.splice(0, 100);
    if (page.length === 0) sftp.status(id, STATUS.endOfFile);
    else sftp.name(id, page);
  });
  sftp.on('STAT', (id, path) => stat(id, files.stat(real(path))));
  sftp.on('LSTAT', (id, path) => stat(id, files.lstat(real(path))));
  sftp.on('FSTAT', (id, buffer) => {
    const handle = handleOf(buffer);
    if (handle !== undefined && 'file' in handle) stat(id, handle.file.stat());
    else sftp.status(id, STATUS.failure);
  });
  sftp.on('SETSTAT', (id, path, attrs) => settle(id, setAttributes(real(path), attrs)));
  sftp.on('FSETSTAT', (id, buffer, attrs) => {
    const handle = handleOf(buffer);
    if (handle !== undefined && 'file' in handle) settle(id, setFileAttributes(handle.file, attrs));
    else sftp.status(id, STATUS.failure);
  });
  sftp.on('MKDIR', (id, path, attrs) =>
    settle(id, files.mkdir(real(path), attrs.mode === undefined ? 0o755 : attrs.mode & 0o7777)),
  );
  sftp.on('RMDIR', (id, path) => settle(id, files.rmdir(real(path))));
  sftp.on('REMOVE', (id, path) => settle(id, files.unlink(real(path))));
  sftp.on('RENAME', (id, from, to) => settle(id, renameIfFree(real(from), real(to))));
  sftp.on('SYMLINK', (id, target, path) => settle(id, files.symlink(target, real(path))));
  sftp.on('READLINK', (id, path) => {
    files.readlink(real(path)).then(
      (target) => sftp.name(id, [{ filename: target, longname: target, attrs: NO_ATTRIBUTES }]),
      (error: NodeJS.ErrnoException) => fail(id, error),
    );
  });
  sftp.on('REALPATH', (id, path) => {
    const shown = posix.normalize(path.startsWith('/') ? path : posix.join('/root', path));
    sftp.name(id, [{ filename: shown, longname: shown, attrs: NO_ATTRIBUTES }]);
  });
  sftp.on(
    'EXTENDED' as never,
    ((id: number, name: string, data: Buffer) => {
      if (name !== 'posix-rename@openssh.com') return sftp.status(id, STATUS.unsupported);
      const length = data.readUInt32BE(0);
      const from = data.subarray(4, 4 + length).toString();
      settle(id, files.rename(real(from), real(data.subarray(8 + length).toString())));
    }) as never,
  );
  // As sftp-server at the end of its input: OpenSSH's clients wait for it.
  sftp.on('end', () => {
    const { _protocol: protocol, outgoing } = sftp as unknown as {
      _protocol: { exitStatus(channel: number, status: number): void };
      outgoing: { id: number; state: string };
    };
    if (outgoing.state === 'open' || outgoing.state === 'eof') protocol.exitStatus(outgoing.id, 0);
    sftp.end();
  });
  sftp.on('close', () => {
    for (const handle of handles.values()) if ('file' in handle) handle.file.close().catch(() => {});
    handles.clear();
  });
}

const NO_ATTRIBUTES = { mode: 0, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };

function attributes(stats: Stats): Attributes {
  return {
    mode: stats.mode,
    uid: 0,
    gid: 0,
    size: stats.size,
    atime: Math.floor(stats.atimeMs / 1000),
    mtime: Math.floor(stats.mtimeMs / 1000),
  };
}

function openFlags(flags: number): number {
  const access =
    flags & OPEN.read && flags & OPEN.write
      ? constants.O_RDWR
      : flags & OPEN.write
        ? constants.O_WRONLY
        : constants.O_RDONLY;
  return (
    access |
    (flags & OPEN.append ? constants.O_APPEND : 0) |
    (flags & OPEN.create ? constants.O_CREAT : 0) |
    (flags & OPEN.truncate ? constants.O_TRUNC : 0) |
    (flags & OPEN.exclusive ? constants.O_EXCL : 0)
  );
}

async function listDirectory(path: string): Promise<FileEntry[]> {
  const names = await files.readdir(path);
  const entries: FileEntry[] = [];
  for (const filename of names) {
    const stats = await files.lstat(join(path, filename)).catch(() => null);
    if (stats !== null)
      entries.push({
        filename,
        longname: `${stats.isDirectory() ? 'd' : '-'}rw-r--r-- 1 root root ${stats.size} ${filename}`,
        attrs: attributes(stats),
      });
  }
  return entries;
}

async function setAttributes(path: string, attrs: Attributes): Promise<void> {
  if (attrs.size !== undefined) await files.truncate(path, attrs.size);
  if (attrs.mode !== undefined) await files.chmod(path, attrs.mode & 0o7777);
  if (attrs.mtime !== undefined) await files.utimes(path, attrs.atime ?? attrs.mtime, attrs.mtime);
}

async function setFileAttributes(file: files.FileHandle, attrs: Attributes): Promise<void> {
  if (attrs.size !== undefined) await file.truncate(attrs.size);
  if (attrs.mode !== undefined) await file.chmod(attrs.mode & 0o7777);
  if (attrs.mtime !== undefined) await file.utimes(attrs.atime ?? attrs.mtime, attrs.mtime);
}

/** Version 3 of the protocol does not overwrite; posix-rename does. */
async function renameIfFree(from: string, to: string): Promise<void> {
  const taken = await files.lstat(to).then(
    () => true,
    () => false,
  );
  if (taken) throw Object.assign(new Error('Failure'), { code: 'EEXIST' });
  await files.rename(from, to);
}
