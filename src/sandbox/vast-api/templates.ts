import { createHash } from 'node:crypto';

const FORGE_FLAGS = [
  '-p 1111:1111 -p 7860:7860 -p 8080:8080 -p 8384:8384 -p 72299:72299',
  '-e OPEN_BUTTON_PORT=1111 -e OPEN_BUTTON_TOKEN=1 -e JUPYTER_DIR=/ -e DATA_DIRECTORY=/workspace/',
  '-e PORTAL_CONFIG="localhost:1111:11111:/:Instance Portal|localhost:7860:17860:/:Forge|localhost:8080:18080:/:Jupyter|localhost:8384:18384:/:Syncthing"',
  '-e PROVISIONING_SCRIPT=https://raw.githubusercontent.com/vast-ai/base-image/refs/heads/main/derivatives/pytorch/derivatives/sd-forge/provisioning_scripts/default.sh',
  '-e FORGE_ARGS="--port 17860"',
].join(' ');

const PLATFORM_CREATOR = 62897;

interface Seed {
  id: number;
  name: string;
  image: string;
  tag: string;
  env: string;
  onstart: string;
  recommended: boolean;
  creator: number;
  disk: number;
}

const SEEDS: Seed[] = [
  {
    id: 101,
    name: 'Stable Diffusion WebUI Forge',
    image: 'vastai/forge',
    tag: 'lllyasviel-dfdcbab-2026-10-01-cuda-12.8',
    env: FORGE_FLAGS,
    onstart: 'entrypoint.sh',
    recommended: true,
    creator: PLATFORM_CREATOR,
    disk: 50,
  },
  {
    id: 102,
    name: 'PyTorch (Vast)',
    image: 'vastai/pytorch',
    tag: '@vastai-automatic-tag',
    env: '-p 1111:1111 -p 8080:8080 -e OPEN_BUTTON_PORT=1111',
    onstart: 'entrypoint.sh',
    recommended: true,
    creator: PLATFORM_CREATOR,
    disk: 32,
  },
  {
    id: 103,
    name: 'ComfyUI',
    image: 'vastai/comfy',
    tag: '@vastai-automatic-tag',
    env: '-p 1111:1111 -p 8188:8188 -e OPEN_BUTTON_PORT=1111',
    onstart: 'entrypoint.sh',
    recommended: true,
    creator: PLATFORM_CREATOR,
    disk: 64,
  },
  // Somebody's template with the same name: taking the first of that name would be a mistake.
  {
    id: 99,
    name: 'Stable Diffusion WebUI Forge',
    image: 'somebody/forge',
    tag: 'latest',
    env: '-p 7860:7860',
    onstart: '',
    recommended: false,
    creator: 777,
    disk: 10,
  },
];

export function seedTemplates(): Record<string, unknown>[] {
  return SEEDS.map((seed) =>
    withHash({
      id: seed.id,
      creator_id: seed.creator,
      name: seed.name,
      image: seed.image,
      tag: seed.tag,
      default_tag: seed.tag,
      env: seed.env,
      onstart: seed.onstart,
      runtype: 'ssh',
      args_str: '',
      use_ssh: true,
      ssh_direct: true,
      jup_direct: false,
      use_jupyter_lab: false,
      jupyter_dir: null,
      docker_login_repo: '',
      extra_filters: '{}',
      recommended: seed.recommended,
      recommended_disk_space: seed.disk,
      desc: '',
      readme: '',
      readme_visible: true,
      href: `https://hub.docker.com/r/${seed.image}/`,
      repo: seed.image,
      private: false,
      volume_info: null,
      count_created: 0,
      created_at: 1_760_000_000,
      recent_create_date: 1_760_000_000,
    }),
  );
}

const NOT_CONTENT = new Set(['id', 'hash_id', 'creator_id', 'count_created', 'created_at', 'recent_create_date']);

/** The hash covers the content but not the creator (vast-api 8). */
export function withHash(template: Record<string, unknown>): Record<string, unknown> {
  const content = Object.entries(template)
    .filter(([key]) => !NOT_CONTENT.has(key))
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return { ...template, hash_id: createHash('md5').update(JSON.stringify(content)).digest('hex') };
}
