import { EXIT, ForgeError } from '../errors.js';
import type { Filters, FilterValue } from './offers.js';

/** The official client's filter text (vast-api 3.1). */
const OPERATORS: Record<string, string> = {
  '=': 'eq',
  '==': 'eq',
  '!=': 'neq',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
  in: 'in',
  notin: 'notin',
  'not in': 'notin',
  nin: 'notin',
};

const ALIASES: Record<string, string> = {
  cuda_vers: 'cuda_max_good',
  dph: 'dph_total',
  dlperf_usd: 'dlperf_per_dphtotal',
  flops_usd: 'flops_per_dphtotal',
  display_active: 'gpu_display_active',
};

/** Typed in GB, sent in MB. */
const GB_TO_MB = new Set(['gpu_ram', 'cpu_ram', 'gpu_total_ram']);
const DAY_S = 86_400;
const ANY = new Set(['any', '*', '?']);

const TERM =
  /\s*([a-z][a-z0-9_]*)\s*(==|!=|>=|<=|=|>|<|\bnot in\b|\bnotin\b|\bnin\b|\bin\b)\s*(\[[^\]]*\]|"[^"]*"|[^\s[\]"]+)/iuy;

interface ParsedQuery {
  filters: Filters;
  /** Fields set to "any": a default filter on them is to be left out. */
  dropped: string[];
  /** What was typed for each term, in order. */
  terms: { field: string; text: string }[];
}

/** Throws wrong usage with the place. */
export function parseOfferQuery(text: string): ParsedQuery {
  const filters: Filters = {};
  const dropped: string[] = [];
  const terms: ParsedQuery['terms'] = [];
  TERM.lastIndex = 0;
  let at = 0;
  while (text.slice(at).trim() !== '') {
    TERM.lastIndex = at;
    const match = TERM.exec(text);
    if (match === null) throw unreadable(text, at);
    at = TERM.lastIndex;
    const [, typedField = '', typedOperator = '', typedValue = ''] = match;
    const name = typedField.toLowerCase();
    const field = (Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined) ?? name;
    const operator = OPERATORS[typedOperator.toLowerCase()] ?? 'eq';
    terms.push({ field, text: match[0].trim() });
    if (ANY.has(typedValue)) dropped.push(field);
    else filters[field] = { ...filters[field], [operator]: filterValue(field, operator, typedValue, text) };
  }
  return { filters, dropped, terms };
}

function filterValue(field: string, operator: string, typed: string, text: string): FilterValue {
  const isList = typed.startsWith('[');
  if (operator === 'in' || operator === 'notin') {
    const items = (isList ? typed.slice(1, -1) : typed)
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    return items.map((item) => scalar(field, item) as string | number);
  }
  if (isList) throw unreadable(text, text.indexOf(typed));
  return scalar(field, typed);
}

function scalar(field: string, typed: string): string | number | boolean | null {
  const word = typed.replace(/^"(.*)"$/u, '$1');
  if (field === 'driver_version') return driverNumber(word);
  if (/^(true|false)$/iu.test(word)) return word.toLowerCase() === 'true';
  if (/^(none|null)$/iu.test(word)) return null;
  if (/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/u.test(word)) {
    const number = Number(word);
    if (GB_TO_MB.has(field)) return number * 1000;
    return field === 'duration' ? number * DAY_S : number;
  }
  return word.replaceAll('_', ' ');
}

/** "535.86.05" is compared as the integer 535086005 (vast-api 3.1). */
function driverNumber(word: string): number {
  const [major = '0', minor = '0', patch = '0'] = word.split('.');
  return Number(major) * 1_000_000 + Number(minor) * 1000 + Number(patch);
}

function unreadable(text: string, at: number): ForgeError {
  return new ForgeError(`The query cannot be read at character ${at + 1}: "${text.slice(at, at + 40).trim()}".`, {
    code: 'BAD_QUERY',
    exit: EXIT.usage,
    hint: 'Write field, operator, value, e.g. "gpu_ram>=24 inet_down>500 geolocation in [DE,NL]".',
  });
}

/** Expanded here, as the official client does; the API knows country codes only. */
const REGIONS: Record<string, string[]> = {
  NA: ['US', 'CA', 'MX'],
  SA: ['BR', 'AR', 'CL', 'CO', 'PE', 'UY', 'EC', 'PY', 'BO', 'VE'],
  EU: [
    'AL',
    'AT',
    'BA',
    'BE',
    'BG',
    'CH',
    'CY',
    'CZ',
    'DE',
    'DK',
    'EE',
    'ES',
    'FI',
    'FR',
    'GB',
    'GR',
    'HR',
    'HU',
    'IE',
    'IS',
    'IT',
    'LT',
    'LU',
    'LV',
    'MD',
    'ME',
    'MK',
    'MT',
    'NL',
    'NO',
    'PL',
    'PT',
    'RO',
    'RS',
    'SE',
    'SI',
    'SK',
    'UA',
  ],
  AS: [
    'AE',
    'AM',
    'AZ',
    'BD',
    'CN',
    'GE',
    'HK',
    'ID',
    'IL',
    'IN',
    'JP',
    'KH',
    'KR',
    'KZ',
    'LK',
    'MN',
    'MY',
    'NP',
    'PH',
    'PK',
    'QA',
    'SA',
    'SG',
    'TH',
    'TR',
    'TW',
    'UZ',
    'VN',
  ],
  OC: ['AU', 'NZ'],
  AF: ['EG', 'KE', 'MA', 'NG', 'TN', 'ZA'],
};

/** "EU,US" -> geolocation filter with country codes. Throws wrong usage for anything but regions and codes. */
export function regionFilter(text: string): Record<string, FilterValue> {
  const words = text
    .split(/[\s,]+/u)
    .filter((word) => word !== '')
    .map((word) => word.toUpperCase());
  const codes = words.flatMap((word) => {
    const region = word === 'ASIA' ? 'AS' : word === 'EUROPE' ? 'EU' : word;
    if (REGIONS[region] !== undefined) return REGIONS[region];
    if (/^[A-Z]{2}$/u.test(word)) return [word];
    throw new ForgeError(`"${word}" is neither a region nor a two-letter country code.`, {
      code: 'BAD_REGION',
      exit: EXIT.usage,
      hint: `Regions: ${Object.keys(REGIONS).join(', ')}.`,
    });
  });
  return { in: [...new Set(codes)] };
}
