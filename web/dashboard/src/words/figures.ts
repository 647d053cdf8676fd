// Numbers, durations and instants as a reader wants them.

const grouped = new Intl.NumberFormat('en-GB');

export const count = (value: number | null | undefined): string => (value == null ? '–' : grouped.format(value));

/** 1,204 · 58.1 k · 1.2 M, for places where width is scarce. */
export function compact(value: number): string {
  if (value < 10_000) return grouped.format(value);
  if (value < 1_000_000) return `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)} k`;
  return `${(value / 1_000_000).toFixed(value < 100_000_000 ? 1 : 0)} M`;
}

/** `1 row`, `12.0 k rows`. */
export const rowsInWords = (rows: number, write = compact): string => `${write(rows)} ${rows === 1 ? 'row' : 'rows'}`;

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let amount = value;
  let unit = 'B';
  for (const next of units) {
    if (amount < 1024) break;
    amount /= 1024;
    unit = next;
  }
  return `${amount.toFixed(amount < 10 ? 1 : 0)} ${unit}`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** "3 min ago", "in 2 h": one unit, rounded down towards the event. */
export function relative(at: number, now: number): string {
  const past = at <= now;
  const seconds = Math.floor(Math.abs(now - at) / 1000);
  let words: string;
  if (seconds < 5) return past ? 'just now' : 'in a moment';
  if (seconds < 60) words = `${seconds} s`;
  else if (seconds < 3600) words = `${Math.floor(seconds / 60)} min`;
  else if (seconds < 86_400) words = `${Math.floor(seconds / 3600)} h`;
  else if (seconds < 86_400 * 60) words = `${Math.floor(seconds / 86_400)} d`;
  else words = `${Math.floor(seconds / (86_400 * 30.44))} mo`;
  return past ? `${words} ago` : `in ${words}`;
}

const local = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const clockTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });

/** The reader's local time and UTC beside it. */
export function absolute(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : `${local.format(date)} (${date.toISOString().replace('.000', '')})`;
}

export function logTime(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : clockTime.format(date);
}

function partsIn(at: string, zone: string): { day: string; time: string } | undefined {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return undefined;
  try {
    const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
    const [day = '', time = ''] = format.format(date).split(' ');
    return { day, time };
  } catch {
    return undefined; // A zone that the browser does not know.
  }
}

/** `2026-08-29 to 2026-11-21` for midnights of the flow's zone, with the time of day where it is none. The end is exclusive. */
export function intervalText(interval: { start: string; end: string }, zone: string): string {
  const start = partsIn(interval.start, zone) ?? partsIn(interval.start, 'UTC');
  const end = partsIn(interval.end, zone) ?? partsIn(interval.end, 'UTC');
  if (!start || !end) return `${interval.start} to ${interval.end}`;
  if (start.time === '00:00' && end.time === '00:00') return `${start.day} to ${end.day}`;
  const until = start.day === end.day ? end.time : `${end.day} ${end.time}`;
  return `${start.day} ${start.time} to ${until}`;
}

/** The row behind a mapped task run, short: its only value, or `name: value` for each. */
export function itemText(item: unknown): string {
  if (item === null || typeof item !== 'object' || Array.isArray(item)) return plain(item);
  const members = Object.entries(item);
  return members.length === 1 ? plain(members[0]?.[1]) : members.map(([name, value]) => `${name}: ${plain(value)}`).join(', ');
}

/** Text in lines of at most `width` characters, broken at spaces where there are some; what `most` lines do not hold stays on the last. */
export function wrapped(text: string, width: number, most: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width && lines.length + 1 < most) {
    const space = rest.lastIndexOf(' ', width);
    const end = space > 0 ? space : width;
    lines.push(rest.slice(0, end));
    rest = rest.slice(space > 0 ? end + 1 : end);
  }
  return [...lines, rest];
}

/** A cell of a dataset or a parameter, as text. */
export function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  return JSON.stringify(value);
}
