import { describe, expect, it } from 'vitest';
import { fitOf, imageNeeds } from '../../../src/workflows/offers/image-needs.ts';
import { makeOffer } from '../../support/offer.ts';

describe('what the image needs', () => {
  it.each([
    [null, 12.8, 700, 1300],
    ['vastai/forge:@vastai-automatic-tag', 12.8, 700, 1300],
    ['vastai/forge:lllyasviel-dfdcbab-2026-10-01-cuda-12.8', 12.8, 700, 1300],
    ['vastai/forge:neo-1234567-2026-11-01-cuda-13.0', 13.0, 750, 1300],
    ['vastai/forge:classic-cuda-12.4', 12.4, 500, 1000],
    ['somebody/forge:torch2.7-cu126', 12.6, 500, 1000],
    ['registry.invalid/cuda/forge:1', 12.8, 700, 1300],
  ])('%s', (image, cuda, leastComputeCap, computeCapBelow) => {
    expect(imageNeeds(image)).toEqual({ cuda, leastComputeCap, computeCapBelow });
  });
});

describe('whether the image runs', () => {
  it.each([
    ['Pascal', { computeCap: 610, cudaMaxGood: 13 }, 'no', /capability 6\.1.*7\.0 to 12\.x/u],
    ['Volta', { computeCap: 700 }, 'yes', /7\.0/u],
    ['Turing', { computeCap: 750 }, 'yes', /7\.5/u],
    ['Hopper', { computeCap: 900, gpuName: 'H100 SXM' }, 'yes', /9\.0/u],
    ['Blackwell, datacenter', { computeCap: 1000, gpuName: 'B200' }, 'yes', /10\.0/u],
    ['Blackwell', { computeCap: 1200, gpuName: 'RTX 5090' }, 'yes', /12\.0/u],
    ['Thor', { computeCap: 1100 }, 'no', /11\.0/u],
    ['what comes after', { computeCap: 1300 }, 'no', /13\.0/u],
    ['a newer driver', { cudaMaxGood: 13 }, 'yes', /13\.0/u],
    ['a consumer card behind an old driver', { cudaMaxGood: 12.4, driverVersion: '550.144.03' }, 'no', /12\.4.*12\.8/u],
    [
      'a datacenter card behind an old driver',
      { gpuName: 'H100 PCIE', computeCap: 900, cudaMaxGood: 12.4, driverVersion: '550.144.03' },
      'maybe',
      /forward compatibility/u,
    ],
    [
      'a datacenter card behind a driver that is too old for that',
      { gpuName: 'A100 SXM4', computeCap: 800, cudaMaxGood: 12.1, driverVersion: '530.30.02' },
      'no',
      /12\.1/u,
    ],
    [
      'a workstation card is no datacenter card',
      { gpuName: 'RTX A4000', computeCap: 860, cudaMaxGood: 12.4, driverVersion: '550.144.03' },
      'no',
      /12\.4/u,
    ],
    ['another processor', { cpuArch: 'arm64', gpuName: 'GH200 SXM', computeCap: 900 }, 'no', /arm64/u],
    ['another maker', { gpuArch: 'amd', gpuName: 'MI300X', computeCap: null, cudaMaxGood: null }, 'no', /amd/u],
    ['no word of CUDA', { cudaMaxGood: null }, 'maybe', /not told/u],
    ['no word of the card', { computeCap: null }, 'maybe', /not told/u],
    ['no word of the processor', { cpuArch: null }, 'yes', /8\.9/u],
  ] as const)('%s', (_, part, verdict, reason) => {
    expect(fitOf(makeOffer(part), imageNeeds())).toEqual({ verdict, reason: expect.stringMatching(reason) });
  });

  it('an image for an older CUDA runs on older cards and not on Blackwell', () => {
    const needs = imageNeeds('x:cuda-12.4');
    expect(fitOf(makeOffer({ computeCap: 610, cudaMaxGood: 12.4 }), needs).verdict).toBe('yes');
    expect(fitOf(makeOffer({ computeCap: 1200 }), needs).verdict).toBe('no');
  });
});
