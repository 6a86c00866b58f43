import type { BaseAgent } from 'ssh2';

export interface AgentKey {
  type: string;
  comment?: string;
  getPublicSSH(): Buffer;
}

/** An agent that does not answer must not hold up a command that may not even need it. */
const AGENT_LIMIT_MS = 2000;

/** The keys of the agent that ssh2 can use; [] when the agent does not work. */
export async function listAgentKeys(socket: string): Promise<AgentKey[]> {
  const { default: ssh2 } = await import('ssh2');
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve([]), AGENT_LIMIT_MS);
    ssh2.createAgent(socket).getIdentities((error, keys) => {
      clearTimeout(timer);
      resolve(error || keys === undefined ? [] : (keys as unknown as AgentKey[]));
    });
  });
}

/** The agent, showing one key only: an agent with many would use up the server's patience (MaxAuthTries). */
export async function agentWithOneKey(socket: string, publicKey: string): Promise<BaseAgent> {
  const { default: ssh2 } = await import('ssh2');
  const agent = ssh2.createAgent(socket);
  const wanted = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
  const listAll = agent.getIdentities.bind(agent);
  agent.getIdentities = (callback) => {
    listAll((error, keys) => {
      const all = (keys ?? []) as unknown as AgentKey[];
      callback(error, all.filter((key) => key.getPublicSSH().equals(wanted)) as never);
    });
  };
  return agent;
}
