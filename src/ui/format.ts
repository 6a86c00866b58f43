/** $0.412/h; cheap things get enough digits to differ. */
export function formatPerHour(usd: number): string {
  return `$${usd.toFixed(usd > 0 && usd < 0.0995 ? 4 : 3)}/h`;
}

export function formatPerDay(usd: number): string {
  return `$${usd.toFixed(usd > 0 && usd < 0.0995 ? 3 : 2)}/day`;
}

export function formatUsd(usd: number): string {
  const sign = usd < 0 ? '-' : '';
  const amount = Math.abs(usd);
  return `${sign}$${amount.toFixed(amount > 0 && amount < 0.0995 ? 3 : 2)}`;
}

/** "42s", "3m 12s", "2h 05m", "4d 3h". */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${pad(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${pad(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** "812 B", "4.0 kB", "1.2 GB": powers of 1000. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}
