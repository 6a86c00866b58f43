import { type Burn, burnOf, creditLastsMs } from '../workflows/cost/burn.js';
import { type ContractCost, contractCosts } from '../workflows/cost/contract-costs.js';
import { totalUsd } from '../workflows/cost/spending.js';
import { dayName } from '../workflows/cost/utc-days.js';
import { stateWord } from '../workflows/instance-state.js';
import type { CostFacts } from './cost-facts.js';
import { selectCosts } from './cost-filter.js';

export interface CostReport {
  nowMs: number;
  /** Of the whole account, whatever was named. */
  burn: Burn;
  creditUsd: number | null;
  /** Null when nothing burns, or when the credit is not known. */
  creditLastsMs: number | null;
  costs: ContractCost[];
  /** What was asked for is a part of the account. */
  isPart: boolean;
  todayUsd: number;
  windowUsd: number;
  dayCount: number;
  days:
    | { day: string; gpuUsd: number; diskUsd: number; transferUsd: number; totalUsd: number; isEstimate: boolean }[]
    | null;
  estimateReason: string | null;
}

export function costReport(facts: CostFacts, names: readonly string[], selfId: number | null): CostReport {
  const { instances, volumes, spending, creditUsd, nowMs } = facts;
  const burn = burnOf(instances, volumes ?? []);
  const costs = selectCosts(contractCosts(spending, facts), names, selfId);
  const sources = new Set(costs.map(({ source }) => source));
  const sum = (amounts: number[]): number => amounts.reduce((total, usd) => total + usd, 0);
  const { firstDayMs, lastDayMs } = spending.window;
  return {
    nowMs,
    burn,
    creditUsd,
    creditLastsMs: creditLastsMs(creditUsd, burn),
    costs,
    isPart: names.length > 0,
    todayUsd: sum(costs.map((cost) => cost.todayUsd)),
    windowUsd: sum(costs.map((cost) => cost.totalUsd)),
    dayCount: Math.round((lastDayMs - firstDayMs) / 86_400_000) + 1,
    days:
      spending.days?.map(({ dayMs, charges, isEstimate }) => {
        const own = charges.filter(({ source }) => sources.has(source));
        const of = (kinds: ('gpu' | 'disk' | 'download' | 'upload' | 'other')[]): number =>
          sum(own.flatMap((charge) => kinds.map((kind) => charge.kinds[kind])));
        return {
          day: dayName(dayMs),
          gpuUsd: of(['gpu']),
          diskUsd: of(['disk']),
          transferUsd: of(['download', 'upload']),
          totalUsd: sum(own.map(totalUsd)),
          isEstimate,
        };
      }) ?? null,
    estimateReason: spending.estimateReason,
  };
}

export function costDocument(report: CostReport): Record<string, unknown> {
  const { nowMs, burn, creditUsd, creditLastsMs: lastsMs, days, estimateReason } = report;
  return {
    now: new Date(nowMs).toISOString(),
    days_are_in: 'UTC',
    burn_per_hour_usd: round(burn.perHourUsd),
    burn_is_complete: burn.isComplete,
    running_per_hour_usd: round(burn.runningPerHourUsd),
    stopped_disks_per_day_usd: round(burn.disksPerHourUsd * 24),
    volumes_per_day_usd: round(burn.volumesPerHourUsd * 24),
    credit_usd: creditUsd === null ? null : round(creditUsd),
    credit_left_h: lastsMs === null ? null : Math.round((lastsMs / 3_600_000) * 100) / 100,
    credit_ends_at: lastsMs === null ? null : isoTime(nowMs + lastsMs),
    spent_today_usd: round(report.todayUsd),
    spent_usd: round(report.windowUsd),
    days_counted: report.dayCount,
    is_estimate: estimateReason !== null,
    estimate_reason: estimateReason,
    contracts: report.costs.map(contractDocument),
    days:
      days?.map((day) => ({
        day: day.day,
        spent_usd: round(day.totalUsd),
        gpu_usd: round(day.gpuUsd),
        disk_usd: round(day.diskUsd),
        transfer_usd: round(day.transferUsd),
        is_estimate: day.isEstimate,
      })) ?? null,
  };
}

function contractDocument(cost: ContractCost): Record<string, unknown> {
  const { gpu, disk, download, upload, other } = cost.kinds;
  return {
    source: cost.source,
    type: cost.type,
    id: cost.id,
    label: cost.label,
    exists: cost.exists,
    state: cost.instance === null ? null : stateWord(cost.instance),
    spent_usd: round(cost.totalUsd),
    spent_today_usd: round(cost.todayUsd),
    gpu_usd: round(gpu),
    disk_usd: round(disk),
    download_usd: round(download),
    upload_usd: round(upload),
    other_usd: round(other),
    billed_now_per_hour_usd: cost.nowPerHourUsd === null ? null : round(cost.nowPerHourUsd),
  };
}

/** A credit that lasts for ages ends beyond the calendar. */
function isoTime(ms: number): string | null {
  return ms > 8e15 ? null : new Date(ms).toISOString();
}

function round(usd: number): number {
  return Math.round(usd * 1e6) / 1e6;
}
