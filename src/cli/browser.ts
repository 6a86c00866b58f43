import { spawn } from 'node:child_process';
import type { Reporter } from '../ui/reporter.js';
import type { Instance } from '../vast/model.js';
import { forgeUrl, portalUrl } from './addresses.js';

/** Opens Forge's published page. The token is not put into the address: it would end in the browser's history and `ps`. */
export async function openInBrowser(instance: Instance, reporter: Reporter): Promise<void> {
  const url = forgeUrl(instance) ?? portalUrl(instance);
  if (url === null) {
    reporter.warn('Nothing was opened: the host publishes no port for Forge. Use the tunnel line below.');
    return;
  }
  await startBrowser(url, reporter);
}

/** `url` shows in `ps` while the browser starts: it must hold no token. */
export async function startBrowser(url: string, reporter: Reporter): Promise<void> {
  const opener = process.env['BROWSER'] || (process.platform === 'darwin' ? 'open' : 'xdg-open');
  await new Promise<void>((resolve) => {
    const child = spawn(opener, [url], { stdio: 'ignore', detached: true });
    child.once('error', () => {
      reporter.warn(`No browser could be started (${opener}). The address is ${url}`);
      resolve();
    });
    child.once('spawn', () => {
      child.unref();
      resolve();
    });
  });
}
