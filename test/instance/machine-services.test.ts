import { describe, expect, it } from 'vitest';
import { servicesOf } from '../../src/instance/services/machine-services.ts';

const application = (name: string, externalPort: number, internalPort: number) => ({
  name,
  hostname: 'localhost',
  externalPort,
  internalPort,
  openPath: '/',
});
const portsOf = (...of: Parameters<typeof servicesOf>) =>
  Object.fromEntries(
    servicesOf(...of).services.map(({ name, internalPort, scheme }) => [name, `${scheme}:${internalPort}`]),
  );
const byImage = { isJupyterOfPlatform: false };

describe("a machine's services", () => {
  it("are the image's table when the machine has no list", () => {
    expect(servicesOf(null, byImage).isFromMachine).toBe(false);
    expect(portsOf([], byImage)).toEqual({
      forge: 'http:17860',
      portal: 'http:11111',
      jupyter: 'http:18080',
      syncthing: 'http:18384',
      tensorboard: 'http:16006',
    });
  });

  it('are what its list names, at the ports that it gives them', () => {
    expect(portsOf([application('Instance Portal', 1111, 11111), application('Forge', 7860, 27860)], byImage)).toEqual({
      portal: 'http:11111',
      forge: 'http:27860',
    });
  });

  it('can be ones that no table knows, by a word made of their title', () => {
    const { services } = servicesOf([application('My $(rm) App ☃', 1234, 11234), application('☃', 1, 2)], byImage);
    expect(services.map(({ name, internalPort, usualPort }) => [name, internalPort, usualPort])).toEqual([
      ['my-rm-app', 11234, 1234],
      ['application', 2, 1],
    ]);
  });

  it("have the platform's Jupyter with TLS on 8080 in its launch mode, listed or not", () => {
    const platform = { isJupyterOfPlatform: true };
    expect(portsOf(null, platform)['jupyter']).toBe('https:8080');
    expect(portsOf([application('Forge', 7860, 17860)], platform)['jupyter']).toBe('https:8080');
    expect(portsOf([application('Jupyter', 8080, 18080)], platform)['jupyter']).toBe('https:8080');
    expect(portsOf([application('Jupyter', 8080, 8080)], byImage)['jupyter']).toBe('http:8080');
  });
});
