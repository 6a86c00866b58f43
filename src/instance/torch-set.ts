import { Facts, SAY_FACTS } from './facts.js';
import { REMOTE } from './layout.js';
import { normalizeName, TORCH_FAMILY } from './requirements.js';

/** What must be the same before and after: the builds that fit the card. */
export interface TorchSet {
  versions: Record<string, string>;
  /** Null when torch is not there, or does not say. */
  cuda: string | null;
  isCudaAvailable: boolean | null;
}

/** The torch set as python itself sees it, loaded: a broken build fails here. */
export function torchScript(): string {
  return `${SAY_FACTS}
"${REMOTE.python}" - <<'TORCH' 2>/dev/null | emit torch
import importlib.metadata, json
facts = {'versions': {}, 'cuda': None, 'available': None}
for name in (${TORCH_FAMILY.map((name) => `'${name}'`).join(', ')}):
    try:
        facts['versions'][name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
try:
    import torch
    facts['available'] = bool(torch.cuda.is_available())
    facts['cuda'] = getattr(getattr(torch, 'version', None), 'cuda', None)
except Exception:
    pass
print(json.dumps(facts))
TORCH
true
`;
}

export function parseTorch(text: string): TorchSet {
  try {
    const found = JSON.parse(new Facts(text).raw('torch') ?? '') as {
      versions?: Record<string, unknown>;
      cuda?: unknown;
      available?: unknown;
    };
    const versions = Object.entries(found.versions ?? {}).map(([name, version]) => [
      normalizeName(name),
      String(version),
    ]);
    return {
      versions: Object.fromEntries(versions),
      cuda: typeof found.cuda === 'string' ? found.cuda : null,
      isCudaAvailable: typeof found.available === 'boolean' ? found.available : null,
    };
  } catch {
    return { versions: {}, cuda: null, isCudaAvailable: null };
  }
}

/** In words what differs; null when the set is as it was. */
export function torchDrift(before: TorchSet, after: TorchSet): string | null {
  const names = [...new Set([...Object.keys(before.versions), ...Object.keys(after.versions)])];
  const moved = names.find((name) => before.versions[name] !== after.versions[name]);
  if (moved !== undefined)
    return `${moved} was ${before.versions[moved] ?? 'not there'}, and is ${after.versions[moved] ?? 'gone'}`;
  if (before.cuda !== after.cuda) return `torch was built for CUDA ${before.cuda}, and now for ${after.cuda}`;
  if (before.isCudaAvailable !== after.isCudaAvailable)
    return after.isCudaAvailable === null ? 'torch cannot be loaded any more' : 'torch does not see the card any more';
  return null;
}
