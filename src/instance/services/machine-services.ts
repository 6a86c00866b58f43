import type { Shell } from '../../ssh/shell.js';
import { REMOTE } from '../layout.js';
import { type PortalApplication, readPortalYaml } from '../portal-config.js';
import { cutOff, newMarker, readMarked, wrapScript } from '../remote-script.js';
import { SERVICES } from './catalog.js';
import { jupyter, platformJupyter } from './jupyter.js';
import type { ServiceDeclaration } from './service.js';

/** What this machine serves. */
export interface MachineServices {
  services: ServiceDeclaration[];
  /** False when it has no portal.yaml: then it is the image's table. */
  isFromMachine: boolean;
}

/** Larger than any list that people write, so that a wrong file cannot fill the memory. */
const YAML_BYTES = 64 * 1024;

const SCRIPT = `[ -f "${REMOTE.launch}" ] && grep -q jupyter "${REMOTE.launch}" && echo platform-jupyter
echo portal.yaml
head -c ${YAML_BYTES} "${REMOTE.portalConfig}" 2>/dev/null
true`;

/** One look: the machine's list of applications, and who runs Jupyter. */
export async function readServices(shell: Shell, timeoutMs: number): Promise<MachineServices> {
  const marker = newMarker();
  const { stdout } = await shell.run(wrapScript(SCRIPT, marker), { timeoutMs });
  const { output, exitCode } = readMarked(stdout, marker) ?? { output: '', exitCode: null };
  if (exitCode === null) throw cutOff();
  const [marks = '', yaml = ''] = output.split(/^portal\.yaml$/mu, 2);
  return servicesOf(readPortalYaml(yaml), { isJupyterOfPlatform: marks.includes('platform-jupyter') });
}

/** The image's services with the ports that the machine's list gives them, then what is only in the list. */
export function servicesOf(
  applications: readonly PortalApplication[] | null,
  { isJupyterOfPlatform }: { isJupyterOfPlatform: boolean },
): MachineServices {
  const known = SERVICES.map((service) => (service === jupyter && isJupyterOfPlatform ? platformJupyter : service));
  if (applications === null || applications.length === 0) return { services: known, isFromMachine: false };
  const services: ServiceDeclaration[] = [];
  const taken = new Set<string>();
  for (const application of applications) {
    const found = declarationOf(application, known);
    if (taken.has(found.name)) continue;
    taken.add(found.name);
    services.push(found);
  }
  // The platform's Jupyter is there whether or not the portal's list shows it.
  if (isJupyterOfPlatform && !taken.has(platformJupyter.name)) services.push(platformJupyter);
  return { services, isFromMachine: true };
}

function declarationOf(application: PortalApplication, known: readonly ServiceDeclaration[]): ServiceDeclaration {
  const { name: title, internalPort, externalPort } = application;
  const service = known.find((candidate) => candidate.portalTitle.test(title));
  if (service === platformJupyter) return platformJupyter;
  if (service !== undefined) return { ...service, internalPort };
  const name = wordOf(title);
  return {
    name,
    program: name,
    internalPort,
    usualPort: externalPort,
    scheme: 'http',
    sparesDoNoHarm: false,
    portalTitle: /(?!)/u,
  };
}

/** A title as a word for the line: "My Application" is my-application. */
function wordOf(title: string): string {
  const word = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/gu, '-')
    .replace(/^-|-$/gu, '');
  return word === '' ? 'application' : word;
}
