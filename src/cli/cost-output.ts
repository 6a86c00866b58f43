import { barSigns, renderBars } from '../ui/chart.js';
import { formatDuration, formatPerDay, formatPerHour, formatUsd } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { ContractCost } from '../workflows/cost/contract-costs.js';
import { stateWord } from '../workflows/instance-state.js';
import type { ForgeContext } from './context.js';
import type { CostReport } from './cost-report.js';

/** Below this the user is warned. */
const SHORT_CREDIT_MS = 24 * 3_600_000;

export async function costText(report: CostReport, context: ForgeContext): Promise<string> {
  const summary = await context.keyValues(summaryLines(report));
  const parts = [summary];
  if (report.costs.length > 0) parts.push(await costTable(report, context));
  if (report.days !== null && report.windowUsd > 0) parts.push(await dayChart(report, context));
  return parts.join('\n\n');
}

/** What happens when the credit ends, while there is time to do something. */
export function creditWarning({ creditUsd, creditLastsMs, burn }: CostReport): string | null {
  if (creditUsd === null || burn.perHourUsd <= 0) return null;
  const what = 'At $0 the platform stops every instance, and may delete it later.';
  if (creditUsd <= 0) return `The credit is used up. ${what}`;
  return creditLastsMs !== null && creditLastsMs < SHORT_CREDIT_MS
    ? `The credit lasts ${formatDuration(creditLastsMs)} at this rate. ${what}`
    : null;
}

function summaryLines(report: CostReport): [string, string][] {
  const { burn, isPart } = report;
  const about = report.estimateReason === null ? '' : 'about ';
  const of = isPart ? ' (of what was named)' : '';
  return [
    ['Burn rate', `${burn.isComplete ? '' : 'at least '}${formatPerHour(burn.perHourUsd)} now${burnParts(report)}`],
    [
      'Stopped disks',
      burn.notRunning === 0 ? 'none' : `${formatPerDay(burn.disksPerHourUsd * 24)} for ${burn.notRunning}`,
    ],
    ['Spent today', `${about}${formatUsd(report.todayUsd)} since 00:00 UTC${of}`],
    [`Spent in ${report.dayCount} days`, `${about}${formatUsd(report.windowUsd)}, today included${of}`],
    ['Credit', creditText(report)],
  ];
}

function burnParts({ burn }: CostReport): string {
  const parts = [
    burn.running === 0 ? null : `${burn.running} running ${formatPerHour(burn.runningPerHourUsd)}`,
    burn.notRunning === 0 ? null : `${burn.notRunning} not running ${formatPerHour(burn.disksPerHourUsd)}`,
    burn.volumes === 0
      ? null
      : `${burn.volumes === 1 ? '1 volume' : `${burn.volumes} volumes`} ${formatPerHour(burn.volumesPerHourUsd)}`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? ': nothing is billed' : `: ${parts.join(', ')}`;
}

function creditText({ creditUsd, creditLastsMs, burn }: CostReport): string {
  if (creditUsd === null) return 'not shown by the API';
  if (creditLastsMs === null) return `${formatUsd(creditUsd)}; nothing is billed, so it never ends`;
  const hours = creditLastsMs / 3_600_000;
  const most = burn.isComplete ? '' : 'at most ';
  return `${formatUsd(creditUsd)}, lasts ${most}${hours < 10 ? hours.toFixed(1) : Math.floor(hours)} h at this rate${hours < 48 ? '' : ` (${formatDuration(creditLastsMs)})`}`;
}

async function costTable({ costs, dayCount, estimateReason }: CostReport, context: ForgeContext): Promise<string> {
  const mark = estimateReason === null ? '' : '~';
  const money = (usd: number): string => (Math.abs(usd) < 0.0005 ? '-' : `${mark}${amount(usd)}`);
  return context.table(costs, [
    { header: 'WHAT', value: nameOfCost },
    { header: 'STATE', value: stateOf, priority: 2 },
    {
      header: '$/H',
      value: ({ nowPerHourUsd }) => (nowPerHourUsd === null ? '?' : perHour(nowPerHourUsd)),
      align: 'right',
    },
    { header: 'TODAY', value: ({ todayUsd }) => money(todayUsd), align: 'right' },
    { header: `${dayCount} DAYS`, value: ({ totalUsd }) => money(totalUsd), align: 'right' },
    { header: 'GPU', value: ({ kinds }) => money(kinds.gpu), align: 'right', priority: 3 },
    { header: 'DISK', value: ({ kinds }) => money(kinds.disk), align: 'right', priority: 3 },
    { header: 'TRAFFIC', value: ({ kinds }) => money(kinds.download + kinds.upload), align: 'right', priority: 4 },
  ]);
}

function nameOfCost({ source, label }: ContractCost): string {
  const name = source.replace(/^instance-/u, '').replace(/^volume-/u, 'V.');
  return label === null ? name : `${name} ${cleanLine(label)}`;
}

function stateOf({ instance, exists, type }: ContractCost): string {
  if (exists === null) return '?';
  if (!exists) return 'gone';
  return instance === null ? type : stateWord(instance);
}

function perHour(usd: number): string {
  return usd === 0 ? '-' : usd.toFixed(usd < 0.0995 ? 4 : 3);
}

function amount(usd: number): string {
  return usd.toFixed(Math.abs(usd) < 0.0995 ? 3 : 2);
}

/** Days before the first that cost anything are left out. */
async function dayChart({ days }: CostReport, context: ForgeContext): Promise<string> {
  const all = days ?? [];
  const shown = all.slice(all.findIndex(({ totalUsd }) => totalUsd > 0));
  const [gpu, rest] = barSigns(context.terminal);
  const bars = await renderBars(
    shown.map(({ day, totalUsd, gpuUsd, isEstimate }) => ({
      name: day.slice(5),
      parts: [gpuUsd, totalUsd - gpuUsd] as const,
      text: `${isEstimate ? '~' : ''}$${amount(totalUsd)}`,
    })),
    context.terminal,
  );
  const before = all.length - shown.length;
  const heading = `Spent by day, UTC${before === 0 ? '' : `; nothing in the ${before} days before`}`;
  return `${heading}\n${gpu} GPU  ${rest} disk and traffic\n${bars}`;
}
