import { ASIDE_PREFIX } from '../../instance/files/set-aside.js';

/** The machine's own state and what is made again by itself (instance.md 13): never a part of a snapshot. */
const OWN_STATE = [
  '/.sync_*.lock',
  '/.environment_sync',
  '/onstart.sh',
  '/ports.log',
  '/.cache/',
  `/${ASIDE_PREFIX}*/`,
  '__pycache__/',
];

/** Variables of the services; secrets among them more often than not. */
const ENVIRONMENT = '/.env';

const MODELS = [
  '*.safetensors',
  '*.ckpt',
  '*.gguf',
  '*.pt',
  '*.pth',
  '*.onnx',
  '/stable-diffusion-webui-forge/models/**/*.bin',
];

/** Patterns as --exclude has them, from the workspace on. */
export function leftOut(wishes: { exclude: readonly string[]; models: boolean; env: boolean }): string[] {
  return [...OWN_STATE, ...(wishes.env ? [] : [ENVIRONMENT]), ...(wishes.models ? [] : MODELS), ...wishes.exclude];
}
