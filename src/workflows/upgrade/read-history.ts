import { parseHistory, readHistoryScript, type UpgradeEntry } from '../../instance/upgrade-history.js';
import type { MachineSession } from '../machine-session.js';

/** Newest first. */
export async function readHistory(session: MachineSession): Promise<UpgradeEntry[]> {
  return parseHistory((await session.run(readHistoryScript())).output);
}
