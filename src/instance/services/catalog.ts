import { forge } from './forge.js';
import { jupyter } from './jupyter.js';
import { portal } from './portal.js';
import type { ServiceDeclaration } from './service.js';
import { syncthing } from './syncthing.js';
import { tensorboard } from './tensorboard.js';

/** The services of the image, as the image's table has them. */
export const SERVICES: readonly ServiceDeclaration[] = [forge, portal, jupyter, syncthing, tensorboard];

export function findService(name: string): ServiceDeclaration | null {
  return SERVICES.find((service) => service.name === name.toLowerCase()) ?? null;
}
