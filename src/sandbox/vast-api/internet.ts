/** What machines see of the internet. Only this: a sandbox never asks the real one. */
const DEFAULT_PROVISIONING = `#!/bin/bash
# The default script of the Forge image, played small: a model is "downloaded", extensions get their folder.
set -e
forge="\${WORKSPACE%/}/stable-diffusion-webui-forge"
models="$forge/models/Stable-diffusion"
model="$models/v1-5-pruned-emaonly.safetensors"
pause() { sleep "$(awk -v t="$1" -v s="\${SANDBOX_TIME_SCALE:-1}" 'BEGIN { print t / s }')"; }
mkdir -p "$models" "$forge/extensions"
if [ -s "$model" ]; then
  echo "Model is there already: $model"
else
  printf '\\033[32mDownloading\\033[0m v1-5-pruned-emaonly.safetensors\\n'
  # A bar that writes over itself, as tqdm does.
  for percent in 10 30 50 70 90 100; do
    printf '\\r%3s%%|%-10.*s| 4.27G [118MB/s]' "$percent" "$((percent / 10))" '##########'
    head -c 100000 /dev/zero >>"$model.part"
    pause 4
  done
  echo
  mv "$model.part" "$model"
fi
echo "Provisioning complete"
`;

const FILES: Record<string, string> = {
  'https://raw.githubusercontent.com/vast-ai/base-image/refs/heads/main/derivatives/pytorch/derivatives/sd-forge/provisioning_scripts/default.sh':
    DEFAULT_PROVISIONING,
};

/** The text behind an address, or null for 404. */
export function publicFile(url: string): string | null {
  return Object.hasOwn(FILES, url) ? (FILES[url] ?? null) : null;
}
