import { Facts, SAY_FACTS } from './facts.js';
import { REMOTE } from './layout.js';
import { SWEEP } from './scratch.js';
import { unreadable } from './unreadable.js';

/** One freeze that lies on the machine (base-image: venv-backup.sh). */
export interface VenvBackup {
  /** Of the contract that it was made on; a copied workspace brings those of others along. */
  contract: string;
  file: string;
  bytes: number;
  /** Lines that name a package. */
  packageCount: number;
  /** As the name says it, in the machine's own time: "2026-01-31 12:30". */
  takenAt: string;
  changedAtMs: number;
  /** The link "latest" of its contract leads here. */
  isLatest: boolean;
}

/** base-image: venv-backup.sh; 0 turns the image's own backups off. */
const DEFAULT_COUNT = 48;
const BACKUPS = '"$WORKSPACE"/.venv-backups';
const NAME = 'venv-main-[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]-[0-9][0-9][0-9][0-9].txt';

/** Both installers write the same lines. The image's own backups are pip's. */
const FREEZE = `freeze() {
  local python="${REMOTE.python}"
  "$python" -m pip --disable-pip-version-check freeze 2>/dev/null ||
    { command -v uv >/dev/null 2>&1 && uv pip freeze --python "$python" 2>/dev/null; }
}`;

/** The packages as they are now, as \`pip freeze\` tells. */
export function freezeNowScript(): string {
  return `${SAY_FACTS}${FREEZE}
set -o pipefail
text=$(freeze) || { echo "neither pip nor uv can say what is installed" >&2; exit 1; }
put freeze "$text"
`;
}

/**
 * A freeze in the image's own place and under its name. A file that is there is never written over: names have no seconds,
 * so the next free minute is taken; the same packages in the same minute are one backup. The oldest go when there are more
 * than VENV_BACKUP_COUNT, as the image does it; 0 stops the image's backups, and removes none here.
 */
export function writeBackupScript(instanceId: number): string {
  return `${SAY_FACTS}${FREEZE}${SWEEP}
umask 022
id=\${CONTAINER_ID:-${instanceId}}
case $id in *[!A-Za-z0-9._-]*|.*) id=${instanceId} ;; esac
folder=${BACKUPS}/$id
mkdir -p "$folder" || exit 1
sweep "$folder"/.freeze.*
draft=$(mktemp "$folder/.freeze.$BASHPID.XXXXXX") || exit 1
trap 'rm -f "$draft"' EXIT
freeze >"$draft" || { echo "neither pip nor uv can say what is installed" >&2; exit 3; }
grep -q '[^[:space:]]' "$draft" || { echo "the freeze is empty" >&2; exit 3; }
chmod 644 "$draft"
now=$(date +%s)
for minute in 0 1 2 3 4 5 6 7 8 9; do
  at=$((now + minute * 60))
  name=venv-main-$(date -d "@$at" +%Y-%m-%d-%H%M 2>/dev/null || date -r "$at" +%Y-%m-%d-%H%M).txt
  cmp -s "$draft" "$folder/$name" && { made=1; break; }
  ln "$draft" "$folder/$name" 2>/dev/null && { made=1; break; }
done
[ -n "$made" ] || { echo "no name is free for it" >&2; exit 1; }
[ -s "$folder/$name" ] || { echo "the disk is full" >&2; exit 1; }
ln -sfn "$folder/$name" "$folder/venv-main-latest.txt" || exit 1
count=\${VENV_BACKUP_COUNT:-${DEFAULT_COUNT}}
case $count in ''|*[!0-9]*) count=${DEFAULT_COUNT} ;; esac
removed=0
if [ "$count" -gt 0 ]; then
  backups=("$folder"/${NAME})
  while [ "\${#backups[@]}" -gt "$count" ]; do
    [ "\${backups[0]}" = "$folder/$name" ] && break
    rm -f -- "\${backups[0]}" && removed=$((removed + 1))
    backups=("\${backups[@]:1}")
  done
fi
put contract "$id"; put file "$name"; put path "$folder/$name"; put kept "$count"; put removed "$removed"
put packages "$(grep -c '^[^#[:space:]]' "$folder/$name")"
`;
}

export interface WrittenBackup {
  contract: string;
  file: string;
  path: string;
  packageCount: number;
  /** Backups that are kept; 0 for all. */
  keptCount: number;
  removedCount: number;
}

/** Null when the answer is not one. */
export function parseWrittenBackup(output: string): WrittenBackup | null {
  const facts = new Facts(output);
  const [contract, file, path] = [facts.text('contract'), facts.text('file'), facts.text('path')];
  if (contract === null || file === null || path === null) return null;
  const number = (key: string): number => facts.number(key) ?? 0;
  return {
    contract,
    file,
    path,
    packageCount: number('packages'),
    keptCount: number('kept'),
    removedCount: number('removed'),
  };
}

/** Names that the image would not give are passed over: they cannot be told apart from other lines. */
export function listBackupsScript(): string {
  return `for file in ${BACKUPS}/*/${NAME}; do
  [ -f "$file" ] && [ ! -L "$file" ] || continue
  folder=\${file%/*}; id=\${folder##*/}
  case $id in *[!A-Za-z0-9._-]*) continue ;; esac
  latest=; [ "$(readlink "$folder/venv-main-latest.txt")" -ef "$file" ] && latest=latest
  printf '%s %s %s %s %s %s\\n' "$id" "\${file##*/}" "$(wc -c <"$file" | tr -d ' ')" \\
    "$(date -r "$file" +%s)" "$(grep -c '^[^#[:space:]]' "$file")" "$latest"
done
true
`;
}

/** Newest first. */
export function parseBackups(output: string): VenvBackup[] {
  return output
    .split('\n')
    .flatMap((line) => {
      const match =
        /^([A-Za-z0-9_-][\w.-]*) (venv-main-(\d{4}-\d\d-\d\d)-(\d\d)(\d\d)\.txt) (\d{1,15}) (\d{1,12}) (\d{1,9}) (latest)?$/u.exec(
          line,
        );
      if (match === null) return [];
      const [, contract = '', file = '', day, hour, minute, bytes, changed, count, latest] = match;
      return [
        {
          contract,
          file,
          bytes: Number(bytes),
          packageCount: Number(count),
          takenAt: `${day} ${hour}:${minute}`,
          changedAtMs: Number(changed) * 1000,
          isLatest: latest !== undefined,
        },
      ];
    })
    .sort((one, other) => other.file.localeCompare(one.file) || other.contract.localeCompare(one.contract));
}

/** Prints the backup. Its contract and file come from the machine's own list. */
export function readBackupScript({ contract, file }: Pick<VenvBackup, 'contract' | 'file'>): string {
  if (!/^[A-Za-z0-9_-][\w.-]*$/u.test(contract) || !/^venv-main-[\d-]+\.txt$/u.test(file))
    throw unreadable('what it named as a backup is none');
  return `${SAY_FACTS}
[ -s ${BACKUPS}/'${contract}/${file}' ] || { echo "the backup is empty" >&2; exit 1; }
emit freeze <${BACKUPS}/'${contract}/${file}'
`;
}

/** The text of a freeze; null when there was no answer. */
export function parseFreezeAnswer(output: string): string | null {
  return new Facts(output).raw('freeze');
}
