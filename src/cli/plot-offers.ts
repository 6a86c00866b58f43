import type { OfferVerdict } from '../workflows/offers/rank-offers.js';
import type { ForgeContext } from './context.js';
import { offerColumns } from './offer-output.js';

/** How many of the best are marked and listed. */
const MARKED = 5;
/** In a pipe. */
const PIPE_COLUMNS = 80;
/** Filters, titles, floor and prompt around the field, besides the list of the marked ones. */
const LINES_AROUND = 12;

/** Price against speed, with the first of the list marked. `ranked` is in the order that was asked for. */
export async function offerPlot(
  ranked: readonly OfferVerdict[],
  diskGb: number,
  context: ForgeContext,
): Promise<string> {
  const [{ renderScatter }, { palette }, { renderTable }] = await Promise.all([
    import('../ui/scatter.js'),
    import('../ui/color.js'),
    import('../ui/table.js'),
  ]);
  const { terminal } = context;
  const width = Number.isFinite(terminal.columns) ? terminal.columns : PIPE_COLUMNS;
  const marked = firstMachines(ranked);
  const unknown = ranked.filter(({ speed }) => speed === null).length;
  const plot = renderScatter(
    ranked.map((verdict) => ({
      x: verdict.offer.dphTotal,
      y: verdict.speed ?? Number.NaN,
      mark: markOf(verdict, marked)?.toString() ?? null,
    })),
    {
      width,
      height: fieldHeight(width, terminal.rows, marked.length),
      unicode: terminal.unicode,
      x: { title: 'price, $/hour', format: (value) => `$${Number(value.toPrecision(3))}` },
      y: { title: 'speed (dlperf of one card)', format: (value) => String(Number(value.toPrecision(3))) },
      paint: await palette(terminal.colorOnStdout),
    },
  );
  const rest =
    unknown === 0 ? [] : [`${unknown} ${unknown === 1 ? 'offer has' : 'offers have'} no speed and cannot be drawn.`];
  if (marked.length === 0) return [plot, ...rest].join('\n');
  const numbered = marked.map((verdict, index) => ({ verdict, mark: String(index + 1) }));
  const legend = await renderTable(
    numbered,
    [
      { header: '', value: ({ mark }: { mark: string }) => mark },
      ...offerColumns(diskGb).map((column) => ({
        ...column,
        value: ({ verdict }: { verdict: OfferVerdict }) => column.value(verdict),
      })),
    ],
    { ...terminal, columns: width },
  );
  return [plot, '', legend, ...rest].join('\n');
}

/** The parts of one machine are the same choice, so only the first of them is marked. */
function firstMachines(ranked: readonly OfferVerdict[]): OfferVerdict[] {
  const machines = new Map<string, OfferVerdict>();
  for (const verdict of ranked.filter(({ speed }) => speed !== null)) {
    const { machineId, numGpus } = verdict.offer;
    const key = `${machineId} ${numGpus}`;
    if (!machines.has(key)) machines.set(key, verdict);
  }
  return [...machines.values()].slice(0, MARKED);
}

function markOf(verdict: OfferVerdict, marked: readonly OfferVerdict[]): number | null {
  const place = marked.indexOf(verdict);
  return place === -1 ? null : place + 1;
}

/** As high as a picture of this width should be, and what the terminal can show without scrolling. */
function fieldHeight(width: number, rows: number | null, marked: number): number {
  const wanted = Math.min(30, Math.max(8, Math.round(width / 4.5)));
  return rows === null ? wanted : Math.min(wanted, Math.max(8, rows - LINES_AROUND - marked));
}

/** `--plot --json`: what would be drawn, with what cannot be. */
export function plotDocument(ranked: readonly OfferVerdict[]): Record<string, unknown> {
  const marked = firstMachines(ranked);
  return {
    x: 'price_per_hour_usd',
    y: 'dlperf_per_gpu',
    points: ranked.map((verdict) => ({
      id: verdict.offer.id,
      machine_id: verdict.offer.machineId,
      gpu_name: verdict.offer.gpuName,
      num_gpus: verdict.offer.numGpus,
      price_per_hour_usd: verdict.offer.dphTotal,
      dlperf_per_gpu: verdict.speed,
      value: verdict.value,
      mark: markOf(verdict, marked),
    })),
  };
}
