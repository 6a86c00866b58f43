import { LabHost } from '../host.ts';

/** For the test that kills it: two machines, each with a process that can be recognised. */
const mark = process.argv.at(-1);
const hosts = await Promise.all([1, 2].map((id) => LabHost.boot({ id, onstart: `sleep ${mark}` })));
for (const host of hosts) await host.waitFor(`pgrep -x -f "sleep ${mark}"`);
process.stdout.write(`ready ${hosts.map(({ name, place }) => `${name}:${place.link}`).join(' ')}\n`);
setInterval(() => {}, 1000);
