import { prepareImage } from './image.ts';

/** Once a run, before the first test waits for it. */
export default async function setup(): Promise<void> {
  if (process.env['FORGECTL_LAB'] !== undefined) await prepareImage();
}
