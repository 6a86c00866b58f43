/** Whether a host of an address is this computer, by its spelling: names of others may lead here, and are not trusted to. */
export function isLoopbackHost(hostname: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u.test(hostname);
}
