import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChange } from '../../src/instance/checkout-change.ts';
import { parseTorch, torchDrift } from '../../src/instance/torch-set.ts';
import { parseHistory, type UpgradeEntry } from '../../src/instance/upgrade-history.ts';
import { parseReplaced } from '../../src/instance/venv-guard.ts';
import { inForce } from '../../src/workflows/upgrade/rollback.ts';

const SHA = (digit: string): string => digit.repeat(40);

function entry(from: string, to: string, result: UpgradeEntry['result'] = 'done'): UpgradeEntry {
  return {
    run: `upgrade-${from}${to}`,
    at: '2026-01-01T00:00:00.000Z',
    from: { sha: SHA(from), subject: '' },
    to: { sha: SHA(to), subject: '', name: 'branch main' },
    remoteBefore: null,
    remoteUrl: null,
    result,
    reason: null,
    downtimeS: null,
  };
}

describe('which upgrade is rolled back', () => {
  it('the last one that is in force; one that went back takes away what it went back from', () => {
    expect(inForce([])).toBeNull();
    expect(inForce([entry('a', 'b')])?.run).toBe('upgrade-ab');
    expect(inForce([entry('b', 'c', 'rolled back'), entry('a', 'b')])?.run).toBe('upgrade-ab');
    expect(inForce([entry('b', 'a'), entry('a', 'b')])).toBeNull();
    expect(inForce([entry('c', 'b'), entry('b', 'c'), entry('a', 'b')])?.run).toBe('upgrade-ab');
  });

  it('a history with broken lines is read beside them', () => {
    const line = (one: unknown): string => `x ${Buffer.from(JSON.stringify(one)).toString('base64')}`;
    const text = [line(entry('a', 'b')), 'garbage', '', line({ run: 1 }), line(null), line(entry('b', 'c'))].join('\n');
    expect(parseHistory(text).map(({ run }) => run)).toEqual(['upgrade-bc', 'upgrade-ab']);
    fc.assert(
      fc.property(fc.string(), (noise) => {
        expect(parseHistory(noise)).toEqual([]);
      }),
    );
  });

  it('packages come back by name and version, never torch, never a line that is none', () => {
    const text = 'gradio 4.40.0\ntorch 2.9.1+cu128\n-r evil\nname; rm\nopen-clip 2.0.0\n';
    expect(parseReplaced(text)).toEqual(['gradio==4.40.0', 'open-clip==2.0.0']);
  });
});

describe('the torch set', () => {
  const set = { versions: { torch: '2.9.1+cu128' }, cuda: '12.8', isCudaAvailable: true };

  it('is the same, or what differs is said', () => {
    expect(torchDrift(set, set)).toBeNull();
    expect(torchDrift(set, { ...set, versions: { torch: '2.6.0' } })).toContain('torch was 2.9.1+cu128, and is 2.6.0');
    expect(torchDrift(set, { ...set, versions: {} })).toContain('gone');
    expect(torchDrift(set, { ...set, cuda: null })).toContain('CUDA');
    expect(torchDrift(set, { ...set, isCudaAvailable: false })).toContain('does not see the card');
    expect(torchDrift(set, { ...set, isCudaAvailable: null })).toContain('cannot be loaded');
  });

  it('that nobody could read is empty, which differs from any', () => {
    for (const noise of ['', 'torch=', 'torch=!!!', `torch=${Buffer.from('[]').toString('base64')}`])
      expect(torchDrift(set, parseTorch(noise))).not.toBeNull();
  });
});

describe('what a change would mean', () => {
  it('is read beside any noise, and an edit that says nothing of its outcome does not apply', () => {
    fc.assert(fc.property(fc.string(), (noise) => void parseChange(noise)));
    const path = Buffer.from('launch.py').toString('base64');
    expect(parseChange(`edit.1.path=${path}`).edits).toMatchObject([
      { path: 'launch.py', by: 'user', outcome: 'conflict' },
    ]);
  });
});
