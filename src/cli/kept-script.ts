import { createHash } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writePrivateFile } from '../config/paths.js';
import { EXIT, ForgeError } from '../errors.js';
import type { ForgeContext } from './context.js';
import { checkProvisioning, findingLines } from './provision-check.js';
import { readProvisioning } from './provisioning-source.js';

interface CheckedScript {
  name: string;
  sha256: string;
  text: string;
}

/** Of a launch that may be resumed; the journal has the hash only, since the text may hold anything. */
const KEPT_DAYS = 30;
/** As `keepScript` names them, or a draft of one. */
const KEPT_NAME = /^[0-9a-f]{64}\.sh/u;

/** A script that a launch is to carry. Errors in it are refused before anything is searched; a secret is the user's business. */
export async function checkedScript(
  context: ForgeContext,
  file: string,
  { diskGb, isChecked }: { diskGb: number | null; isChecked: boolean },
): Promise<CheckedScript> {
  const { text, kind, name } = await readProvisioning(file, { fetches: true });
  if (kind === 'manifest') {
    throw new ForgeError(`${name} is a manifest; a launch carries scripts only.`, {
      code: 'MANIFEST_NOT_CARRIED',
      exit: EXIT.usage,
      hint: 'Host it and give --env PROVISIONING_MANIFEST=URL, or run it later: forgectl provision run.',
    });
  }
  const script = (text ?? '').replaceAll('\r\n', '\n');
  const check = await checkProvisioning({ text: text ?? '', kind }, { offline: context.name === 'sandbox', diskGb });
  const errors = check.findings.filter(({ level, rule }) => level === 'error' && rule !== 'secret');
  for (const line of findingLines(check, name)) context.reporter.warn(line);
  if (isChecked && errors.length > 0) {
    throw new ForgeError(
      `${name} has ${errors.length === 1 ? 'an error' : `${errors.length} errors`}; nothing was rented.`,
      {
        code: 'PROVISIONING_BAD',
        exit: EXIT.notReady,
        hint: 'Mend it (forgectl provision check shows the same), or take it as it is: --provisioning-unchecked',
        details: { findings: errors },
      },
    );
  }
  return { name, sha256: hashOf(script), text: script };
}

export async function keepScript(context: ForgeContext, text: string): Promise<void> {
  dropOld(folderOf(context), context.clock.now());
  await writePrivateFile(fileOf(context, hashOf(text)), text);
}

/** Null when it is gone, or is another one by now. */
export async function keptScript(context: ForgeContext, sha256: string | null): Promise<string | null> {
  if (sha256 === null || !/^[0-9a-f]{64}$/u.test(sha256)) return null;
  const text = await readFile(fileOf(context, sha256), 'utf8').catch(() => null);
  return text !== null && hashOf(text) === sha256 ? text : null;
}

function dropOld(folder: string, nowMs: number): void {
  try {
    for (const name of readdirSync(folder)) {
      if (!KEPT_NAME.test(name)) continue;
      const file = join(folder, name);
      if (nowMs - statSync(file).mtimeMs > KEPT_DAYS * 86_400_000) rmSync(file);
    }
  } catch {
    // There is none yet, or another process was faster.
  }
}

function folderOf(context: ForgeContext): string {
  return join(context.paths.stateDir, 'provisioning');
}

function fileOf(context: ForgeContext, sha256: string): string {
  return join(folderOf(context), `${sha256}.sh`);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
