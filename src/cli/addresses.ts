import type { Instance } from '../vast/model.js';

export interface SshAddress {
  host: string;
  port: number;
  via: 'direct' | 'proxy';
  /** Of the proxy's two readings the less likely one. */
  isGuess?: boolean;
}

/**
 * Where SSH may answer, best first. vast-api 5.5: direct when 22/tcp is published; the proxy's port is one higher for
 * jupyter runtypes by the official client, but not by its SDK, so the other reading comes last. Neighbouring ports belong
 * to other people's instances: there only a key that is known to be the instance's own is accepted (ssh/host-keys).
 */
export function sshCandidates(instance: Instance): SshAddress[] {
  const candidates: SshAddress[] = [];
  const direct = instance.ports?.find((port) => port.containerPort === '22/tcp');
  if (direct !== undefined && instance.publicIpaddr !== null) {
    candidates.push({ host: instance.publicIpaddr, port: direct.hostPort, via: 'direct' });
  }
  if (instance.sshHost !== null && instance.sshPort !== null) {
    const jupyter = instance.imageRuntype?.includes('jupyter') ?? false;
    const ports = jupyter ? [instance.sshPort + 1, instance.sshPort] : [instance.sshPort, instance.sshPort + 1];
    const { sshHost: host } = instance;
    candidates.push(...ports.map((port, index) => ({ host, port, via: 'proxy' as const, isGuess: index > 0 })));
  }
  return candidates.filter(({ port }) => port > 0 && port < 65_536);
}

export function addressesOf(instance: Instance): {
  ssh: SshAddress | null;
  published: { port: string; address: string }[];
} {
  const host = instance.publicIpaddr;
  return {
    ssh: sshCandidates(instance)[0] ?? null,
    published:
      host === null
        ? []
        : (instance.ports ?? []).map((port) => ({ port: port.containerPort, address: `${host}:${port.hostPort}` })),
  };
}

/** Forge's published page behind the image's proxy, which asks for the token. */
export function forgeUrl(instance: Instance): string | null {
  return publishedUrl(instance, '7860/tcp');
}

export function portalUrl(instance: Instance): string | null {
  return publishedUrl(instance, '1111/tcp');
}

function publishedUrl(instance: Instance, containerPort: string): string | null {
  const port = instance.ports?.find((candidate) => candidate.containerPort === containerPort);
  return port === undefined || instance.publicIpaddr === null
    ? null
    : `http://${instance.publicIpaddr}:${port.hostPort}/`;
}
