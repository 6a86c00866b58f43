/** What forgectl rents with when the API has no Forge template of its own. Sources: image README, base-image: templates/, sd-forge. */
export const DEFAULT_TEMPLATE = {
  name: 'forgectl: Stable Diffusion WebUI Forge',
  /** image README: vastai/forge; the tag lets the platform choose by the host's CUDA (vast-api 4). */
  image: 'vastai/forge:@vastai-automatic-tag',
  /** SSH mode replaces the image's entry point, so the boot has to be asked for (traps 1). */
  onstart: 'entrypoint.sh',
  runtype: 'ssh_direct',
  /** Default model, extensions and outputs; the image itself is stored elsewhere. */
  diskGb: 50,
  env: {
    '-p 1111:1111': '1',
    '-p 7860:7860': '1',
    '-p 8080:8080': '1',
    '-p 8384:8384': '1',
    '-p 72299:72299': '1',
    OPEN_BUTTON_PORT: '1111',
    // Placeholders: the platform puts the real tokens in their place (docs: docker-environment).
    OPEN_BUTTON_TOKEN: '1',
    JUPYTER_DIR: '/',
    DATA_DIRECTORY: '/workspace/',
    PORTAL_CONFIG:
      'localhost:1111:11111:/:Instance Portal|localhost:7860:17860:/:Forge|localhost:8080:18080:/:Jupyter|localhost:8384:18384:/:Syncthing',
    PROVISIONING_SCRIPT:
      'https://raw.githubusercontent.com/vast-ai/base-image/refs/heads/main/derivatives/pytorch/derivatives/sd-forge/provisioning_scripts/default.sh',
    FORGE_ARGS: '--port 17860',
  } as Record<string, string>,
};
