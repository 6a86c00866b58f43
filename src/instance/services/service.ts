/** What is known of a service before anybody has looked into the machine. */
export interface ServiceDeclaration {
  /** As it is named on the line. */
  name: string;
  /** supervisor's name of it, which names its log too. */
  program: string;
  /** Port on the machine's loopback, past the image's proxy: no password, no TLS. */
  internalPort: number;
  /** Port that people know it by: the one that the image publishes, and the default on this computer. */
  usualPort: number;
  scheme: 'http' | 'https';
  /** It serves many connections at once, and does not mind one that says nothing for seconds. */
  sparesDoNoHarm: boolean;
  /** Its title in /etc/portal.yaml. */
  portalTitle: RegExp;
}
