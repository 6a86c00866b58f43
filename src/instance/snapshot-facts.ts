import { redactAddress } from '../secrets/redact.js';
import { Facts, SAY_FACTS } from './facts.js';
import { EXTENSIONS, FORGE_GIT } from './git-script.js';
import { unreadable } from './unreadable.js';

/** Kept as it is in snapshots: a field may come, none may go or change its meaning. */
export interface CheckoutState {
  head: string;
  subject: string;
  /** Null when it is detached, as the image leaves it. */
  branch: string | null;
  /** Without a password. */
  remoteUrl: string | null;
  /** Of `git diff --binary HEAD`; the same for two trees with the same edits. */
  editsSha256: string;
  /** That diff; null when it is long. */
  editsBase64: string | null;
  editedPaths: number;
}

/** Kept in snapshots too. */
export interface ExtensionState {
  name: string;
  head: string;
  branch: string | null;
  remoteUrl: string | null;
  isEdited: boolean;
}

/** A longer diff is not repeated beside the files that it is of. */
const MOST_EDITS_BYTES = 1024 * 1024;

/** Where Forge and its extensions stand. Only looks; the index is not refreshed. */
export function checkoutStateScript(): string {
  return `${FORGE_GIT}${SAY_FACTS}${EXTENSIONS}
export GIT_OPTIONAL_LOCKS=0
put provisioning "$([ -e "$ROOT/.provisioning" ] && echo 1)"
if ask rev-parse -q --verify HEAD >/dev/null 2>&1; then
  put head "$(ask rev-parse HEAD)"
  put subject "$(ask log -1 --format=%s)"
  put branch "$(ask symbolic-ref -q --short HEAD)"
  own=$(ask remote | head -n 1)
  put remote_url "$(ask remote get-url "\${own:-origin}" 2>/dev/null)"
  ask diff --no-renames --no-ext-diff --no-textconv --binary HEAD >"$scratch/edits" || exit 1
  put edits_sha256 "$(sha256sum <"$scratch/edits" | cut -d ' ' -f 1)"
  put edited "$(ask diff --no-renames --name-only -z HEAD | tr -dc '\\0' | wc -c | tr -d ' ')"
  [ "$(wc -c <"$scratch/edits")" -le ${MOST_EDITS_BYTES} ] && base64 <"$scratch/edits" | tr -d '\\n' | emit edits
fi
say_extension_of() {
  local own
  say_extension
  own=$(in_tree "$place" remote | head -n 1)
  put "extension.$number.remote_url" "$(in_tree "$place" remote get-url "\${own:-origin}" 2>/dev/null)"
}
each_extension say_extension_of
true
`;
}

/** Passwords in addresses of remotes are taken out. */
export function parseCheckoutState(text: string): {
  forge: CheckoutState | null;
  extensions: ExtensionState[];
  isProvisioning: boolean;
} {
  const facts = new Facts(text);
  const url = (key: string): string | null => {
    const address = facts.text(key);
    return address === null ? null : redactAddress(address);
  };
  const [head, editsSha256] = [facts.commit('head'), facts.hash('edits_sha256')];
  const forge =
    head === null || editsSha256 === null
      ? null
      : {
          head,
          subject: facts.text('subject') ?? '',
          branch: facts.branch('branch'),
          remoteUrl: url('remote_url'),
          editsSha256,
          editsBase64: base64Of(facts.raw('edits')),
          editedPaths: facts.number('edited') ?? 0,
        };
  const extensions = facts.groups('extension').map((number) => ({
    name: facts.fileName(`extension.${number}.name`),
    head: facts.commit(`extension.${number}.head`) ?? '',
    branch: facts.branch(`extension.${number}.branch`),
    remoteUrl: url(`extension.${number}.remote_url`),
    isEdited: facts.has(`extension.${number}.edited`),
  }));
  return { forge, extensions, isProvisioning: facts.text('provisioning') !== null };
}

function base64Of(text: string | null): string | null {
  if (text === null || /^[A-Za-z0-9+/]*={0,2}$/u.test(text)) return text;
  throw unreadable('its local edits are not base64');
}

/** What Forge's commit tracks, NUL after each, relative to the tree. */
export function trackedFilesScript(): string {
  return `${FORGE_GIT}${SAY_FACTS}\nask ls-tree -r -z --name-only HEAD 2>/dev/null | base64 | tr -d '\\n' | emit tracked\ntrue\n`;
}

/** As bytes in base64 inside of the fact, since names need not be text. */
export function parseTrackedFiles(text: string): string[] {
  const encoded = new Facts(text).raw('tracked') ?? '';
  return Buffer.from(encoded, 'base64').toString('latin1').split('\0').slice(0, -1);
}
