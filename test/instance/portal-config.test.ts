import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { DEFAULT_TEMPLATE } from '../../src/instance/forge-template.ts';
import { formatPortalConfig, parsePortalConfig, readPortalYaml } from '../../src/instance/portal-config.ts';

const port = fc.integer({ min: 1, max: 99_999 });
const plain = fc
  .stringMatching(/^[\w ./()'"#,{}&-]{1,20}$/u)
  .map((text) => text.trim())
  .filter((text) => text !== '');
const application = fc.record({
  name: fc.oneof(
    plain,
    plain.map((text) => `${text}: ${text}`),
  ),
  hostname: fc.constantFrom('localhost', '127.0.0.1'),
  externalPort: port,
  internalPort: port,
  openPath: fc.constantFrom('/', '/lab?x=1', ''),
});

describe('PORTAL_CONFIG', () => {
  it('is read, and what is no application is given back', () => {
    expect(parsePortalConfig('localhost:7860:17860:/:Forge| localhost:1111:11111:/:Instance Portal|x:y|')).toEqual({
      applications: [
        { hostname: 'localhost', externalPort: 7860, internalPort: 17860, openPath: '/', name: 'Forge' },
        { hostname: 'localhost', externalPort: 1111, internalPort: 11111, openPath: '/', name: 'Instance Portal' },
      ],
      odd: ['x:y'],
    });
  });

  it('is written as it was read', () => {
    fc.assert(
      fc.property(fc.array(application), (applications) => {
        expect(parsePortalConfig(formatPortalConfig(applications))).toEqual({ applications, odd: [] });
      }),
    );
  });

  it('no text makes it throw', () => {
    fc.assert(fc.property(fc.string(), (text) => void parsePortalConfig(text)));
  });

  it('what it cannot hold is refused', () => {
    const [one] = parsePortalConfig('h:1:2:/:n').applications;
    if (one === undefined) throw new Error('no application');
    expect(() => formatPortalConfig([{ ...one, name: 'a|b' }])).toThrow(
      expect.objectContaining({ code: 'BAD_PORTAL_CONFIG' }),
    );
  });

  it('forgectl’s own template names Forge, and publishes the port of every application that has one', () => {
    const { env } = DEFAULT_TEMPLATE;
    const { applications, odd } = parsePortalConfig(env['PORTAL_CONFIG'] ?? '');
    expect(odd).toEqual([]);
    expect(applications.find(({ name }) => name === 'Forge')).toMatchObject({
      externalPort: 7860,
      internalPort: 17860,
    });
    for (const { externalPort } of applications) expect(env).toHaveProperty([`-p ${externalPort}:${externalPort}`]);
  });
});

describe('/etc/portal.yaml', () => {
  const wanted = [
    { name: 'Instance Portal', hostname: 'localhost', externalPort: 1111, internalPort: 11111, openPath: '/' },
  ];

  it.each([
    'applications:\n  Instance Portal:\n    hostname: localhost\n    external_port: 1111\n    internal_port: 11111\n    open_path: /\n    name: Instance Portal\n',
    'applications:\n  Instance Portal: {hostname: localhost, external_port: 1111, internal_port: 11111, open_path: /, name: Instance Portal}\n',
    'x: 1\r\napplications:   \r\n    # off\r\n    "Instance Portal":\r\n        external_port: "1111" # outside\r\n        internal_port: 11111\r\nother: 2\r\n',
  ])('is read as the image and people write it: %j', (text) => expect(readPortalYaml(text)).toEqual(wanted));

  it('no list is null; an empty one is empty; an application without ports is none', () => {
    expect(readPortalYaml('')).toBeNull();
    expect(readPortalYaml('tunnels:\n  x: 1\n')).toBeNull();
    expect(readPortalYaml('applications: {}\n')).toEqual([]);
    expect(readPortalYaml('applications:\n  Forge:\n    name: Forge\n')).toEqual([]);
  });

  it('is read as a real YAML writer writes it', () => {
    fc.assert(
      fc.property(fc.uniqueArray(application, { selector: ({ name }) => name }), (applications) => {
        const map = Object.fromEntries(
          applications.map(({ name, hostname, externalPort, internalPort, openPath }) => [
            `app ${name}`,
            { hostname, external_port: externalPort, internal_port: internalPort, open_path: openPath, name },
          ]),
        );
        const text = stringify({ applications: map }, { lineWidth: 0 });
        expect(readPortalYaml(text)).toEqual(applications);
      }),
    );
  });

  it('no text makes it throw', () => {
    fc.assert(fc.property(fc.string(), (text) => void readPortalYaml(`applications:\n ${text}`)));
  });
});
