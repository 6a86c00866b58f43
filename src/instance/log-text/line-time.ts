/**
 * When a line was written, where it says so: the provisioner, supervisor and the portal ("2026-01-02 03:04:05,678"),
 * Forge's own logger, Jupyter ("[I 2026-…"), syncthing ("[ABCDE] 2026/01/02 03:04:05"), docker and caddy (ISO 8601, or
 * "ts" in JSON). Forge's prints, pip and most scripts do not. Both patterns also run in the reader's Python.
 */
export const DATE_PATTERN =
  '^(?:\\[[^\\]\\s]{1,12}\\] |\\[[A-Z] |[^\\s=]{0,12}=)?["\\[(]?(\\d{4})[-/](\\d\\d)[-/](\\d\\d)[T ](\\d\\d):(\\d\\d):(\\d\\d)(?:[.,](\\d{1,9}))?\\s?(Z|[+-]\\d\\d:?\\d\\d)?';
export const EPOCH_PATTERN = '^\\{.{0,120}?"ts":\\s?(\\d{9,10})(?:\\.(\\d{1,9}))?';

const DATE = new RegExp(DATE_PATTERN, 'u');
const EPOCH = new RegExp(EPOCH_PATTERN, 'u');

/** Milliseconds since the epoch; null when the line does not say. A time without a zone is the machine's. */
export function lineTimeMs(line: string, utcOffsetS: number): number | null {
  const epoch = EPOCH.exec(line);
  if (epoch !== null) return Number(epoch[1]) * 1000 + milliseconds(epoch[2]);
  const date = DATE.exec(line);
  if (date === null) return null;
  const [year, month, day, hour, minute, second] = date.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const offsetS = date[8] === undefined ? utcOffsetS : zoneSeconds(date[8]);
  const writtenMs = Date.UTC(year, month - 1, day, hour, minute, second) + milliseconds(date[7]);
  const isDate = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 61;
  return isDate ? writtenMs - offsetS * 1000 : null;
}

function milliseconds(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
}

function zoneSeconds(zone: string): number {
  if (zone === 'Z') return 0;
  const digits = zone.replace(/\D/gu, '');
  return (zone.startsWith('-') ? -1 : 1) * (Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2)) * 60);
}
