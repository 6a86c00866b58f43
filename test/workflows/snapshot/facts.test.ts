import { describe, expect, it } from 'vitest';
import { parseCheckoutState, parseTrackedFiles } from '../../../src/instance/snapshot-facts.ts';
import type { Instance } from '../../../src/vast/model.ts';
import { launchRecord } from '../../../src/workflows/snapshot/facts.ts';

const fact = (key: string, text: string): string => `${key}=${Buffer.from(text).toString('base64')}\n`;

describe('what a snapshot writes down beside the files', () => {
  it('variables of the launch without a value that looks secret, by name or by content', () => {
    const instance = {
      extraEnv: [
        ['FORGE_ARGS', "--api 'x y'"],
        ['HF_TOKEN', 'hf_abcdefghijkl'],
        ['MODEL_URL', 'https://user:password@models.invalid/a'],
        ['SIGNED', 'https://models.invalid/a?token=abcdefgh'],
        ['-p 7860:7860', '1'],
      ],
      ports: [
        { containerPort: '7860/tcp', hostPort: 1 },
        { containerPort: '22/tcp', hostPort: 2 },
        { containerPort: '22/tcp', hostPort: 2 },
      ],
      imageUuid: 'vastai/forge:x',
      imageRuntype: 'ssh_direct',
      templateHashId: 'h',
      templateName: 'Forge',
      diskSpaceGb: 50,
    } as unknown as Instance;
    expect(launchRecord(instance)).toEqual({
      templateHashId: 'h',
      templateName: 'Forge',
      image: 'vastai/forge:x',
      runtype: 'ssh_direct',
      diskGb: 50,
      ports: ['22/tcp', '7860/tcp'],
      env: { FORGE_ARGS: "--api 'x y'" },
      secretNames: ['HF_TOKEN', 'MODEL_URL', 'SIGNED'],
    });
  });

  it('checkouts: no password of a remote, and a machine without Forge has none', () => {
    const said = [
      fact('head', 'a'.repeat(40)),
      fact('subject', 'x'),
      fact('remote_url', 'https://me:secret@host.invalid/forge.git'),
      fact('edits_sha256', 'b'.repeat(64)),
      fact('edited', '2'),
      fact('extension.1.name', 'an ext'),
      fact('extension.1.head', 'c'.repeat(40)),
      fact('extension.1.edited', '1'),
    ].join('');
    const state = parseCheckoutState(`noise\n${said}`);
    expect(state.forge).toMatchObject({
      branch: null,
      remoteUrl: 'https://[redacted]@host.invalid/forge.git',
      editedPaths: 2,
    });
    expect(state.extensions).toEqual([
      { name: 'an ext', head: 'c'.repeat(40), branch: null, remoteUrl: null, isEdited: true },
    ]);
    expect(parseCheckoutState(fact('provisioning', '1'))).toEqual({
      forge: null,
      extensions: [],
      isProvisioning: true,
    });
  });

  it('tracked files by their bytes', () => {
    const names = Buffer.concat([Buffer.from('a b\0'), Buffer.from([0xff, 0]), Buffer.from('c\nd\0')]);
    expect(parseTrackedFiles(fact('tracked', names.toString('base64')))).toEqual(['a b', '\xff', 'c\nd']);
    expect(parseTrackedFiles('')).toEqual([]);
  });
});
