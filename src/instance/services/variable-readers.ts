import { PROGRAMS } from '../layout.js';

/** Which programs a variable is for (image: supervisor-scripts, portal-aio); what is not here may be for any of them. */
const READERS: [RegExp, readonly string[]][] = [
  [/^FORGE_ARGS$/u, [PROGRAMS.forge]],
  [/^TENSORBOARD_/u, [PROGRAMS.tensorboard]],
  [/^JUPYTER_/u, [PROGRAMS.jupyter]],
  [/^CF_TUNNEL_TOKEN$/u, [PROGRAMS.tunnelManager]],
  [/^(?:WEB_USERNAME|WEB_PASSWORD|AUTH_EXCLUDE|ENABLE_AUTH|ENABLE_HTTPS)$/u, [PROGRAMS.caddy, PROGRAMS.portal]],
  [/^PORTAL_/u, [PROGRAMS.portal, PROGRAMS.caddy]],
  [/^(?:PROVISIONING_\w+|HF_MODELS|CIVITAI_MODELS|WGET_DOWNLOADS|EXTENSIONS|MAX_PARALLEL)$/u, []],
];

/** Not disturbed for a variable that is not theirs. */
const KEPT: readonly string[] = [PROGRAMS.caddy, PROGRAMS.portal, PROGRAMS.tunnelManager, PROGRAMS.cron];

/** Programs that read one of these variables when they start. */
export function readersOf(names: readonly string[], programs: readonly string[]): string[] {
  return programs.filter((program) =>
    names.some((name) => {
      const known = READERS.find(([pattern]) => pattern.test(name))?.[1];
      return known === undefined ? !KEPT.includes(program) : known.includes(program);
    }),
  );
}
