/** image: forge.sh. Forge listens here; the image's proxy publishes it as 7860, which Forge's own default would collide with. */
export const FORGE_INTERNAL_PORT = 17860;

/** Ports on the machine's own loopback (portal-aio: caddy_manager; supervisor-scripts). No password on any of them. */
export const INTERNAL_PORTS = {
  forge: FORGE_INTERNAL_PORT,
  portal: 11111,
  tunnelManager: 11112,
  syncthing: 18384,
  tensorboard: 16006,
  /** Run by supervisor; the platform's own Jupyter is on 8080 with HTTPS and a token. */
  jupyter: 18080,
} as const;

/** image: /etc/supervisor/conf.d/*.conf */
export const PROGRAMS = {
  forge: 'forge',
  portal: 'instance_portal',
  tunnelManager: 'tunnel_manager',
  caddy: 'caddy',
  jupyter: 'jupyter',
  syncthing: 'syncthing',
  tensorboard: 'tensorboard',
  cron: 'cron',
} as const;

/** The same in every variant of the image (sd-forge: Dockerfile). */
export const FORGE_DIRECTORY = 'stable-diffusion-webui-forge';

/**
 * Where things are on the machine. `root` is empty on a real machine, a directory for a machine that lives in one, and
 * `$ROOT` in the text of a remote script.
 */
export function layout(root = '') {
  return {
    /** base-image: Dockerfile. A template may move it: $WORKSPACE says where it is. */
    workspace: `${root}/workspace`,
    forge: `${root}/workspace/${FORGE_DIRECTORY}`,
    /** base-image: Dockerfile */
    python: `${root}/venv/main/bin/python`,
    activate: `${root}/venv/main/bin/activate`,
    /** base-image: ROOT/opt/instance-tools/bin */
    tools: `${root}/opt/instance-tools/bin`,
    /** base-image: 10-prep-env.sh. NAME="value" lines, not escaped. */
    environment: `${root}/etc/environment`,
    /** base-image: 10-prep-env.sh, from PORTAL_CONFIG at the first start; what counts afterwards. */
    portalConfig: `${root}/etc/portal.yaml`,
    /** base-image: utils/logging.sh */
    logs: `${root}/var/log/portal`,
    /** What supervisor runs, a file a program (instance.md 7). */
    programs: `${root}/etc/supervisor/conf.d`,
    /** base-image: the programs' wrappers, by name; what they share is in utils/. */
    wrappers: `${root}/opt/supervisor-scripts`,
    /** base-image: utils/exit_portal.sh. One empty file for each program that portal.yaml does not name. */
    skipped: `${root}/tmp/supervisor-skip`,
    /** docs: the platform's launch script; names jupyter in the jupyter launch mode. */
    launch: `${root}/.launch`,
    /** base-image: 65-supervisor-launch.sh puts it there at every boot, 95-supervisor-wait.sh takes it away. */
    provisioning: `${root}/.provisioning`,
    /** base-image: lib/provisioner. Older images have neither. */
    provisioningComplete: `${root}/.provisioning_complete`,
    provisioningFailed: `${root}/.provisioning_failed`,
    provisionerStopped: `${root}/.provisioner_stopped`,
  };
}

/** The paths as a remote script writes them, inside double quotes. */
export const REMOTE = layout('$ROOT');
