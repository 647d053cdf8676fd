// A schedule in words: "Weekdays at 06:00". What has no simple words is shown as its cron expression.
import type { Schedule, Span } from '../api/documents';

const dayNames = ['Sundays', 'Mondays', 'Tuesdays', 'Wednesdays', 'Thursdays', 'Fridays', 'Saturdays'];
const monthNames = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const dayKeys = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const monthKeys = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const nicknames: Record<string, string> = {
  '@hourly': '0 * * * *', '@daily': '0 0 * * *', '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0', '@monthly': '0 0 1 * *', '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *',
};

const two = (value: number): string => String(value).padStart(2, '0');

function listed(words: string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`;
}

function ordinal(value: number): string {
  const ending = value % 100 >= 11 && value % 100 <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][value % 10] ?? 'th');
  return `${value}${ending}`;
}

/** The numbers of a field that is plain numbers, names, lists and ranges; undefined for '*' and steps. */
function numbersOf(field: string, names: string[] = [], base = 0): number[] | undefined {
  const numbers = new Set<number>();
  const one = (text: string): number => {
    const named = names.indexOf(text.toLowerCase());
    return named >= 0 ? named + base : /^\d+$/.test(text) ? Number(text) : NaN;
  };
  for (const part of field.split(',')) {
    const [from, to, ...rest] = part.split('-');
    const first = one(from ?? '');
    const last = to === undefined ? first : one(to);
    if (Number.isNaN(first) || Number.isNaN(last) || last < first || rest.length > 0) return undefined;
    for (let value = first; value <= last; ++value) numbers.add(value);
  }
  return [...numbers];
}

function step(field: string): number | undefined {
  const found = /^\*\/(\d+)$/.exec(field);
  return found ? Number(found[1]) : undefined;
}

function timesOf(seconds: number, minutes: number[], hours: number[]): string | undefined {
  if (minutes.length * hours.length > 4) return undefined;
  const ending = seconds === 0 ? '' : `:${two(seconds)}`;
  return listed(hours.flatMap((hour) => minutes.map((minute) => `${two(hour)}:${two(minute)}${ending}`)));
}

function daysOf(dayOfMonth: string, month: string, dayOfWeek: string): string | undefined {
  if (month === '*' && dayOfMonth === '*') {
    if (dayOfWeek === '*' || dayOfWeek === '?') return 'Every day';
    const days = numbersOf(dayOfWeek, dayKeys)?.map((day) => day % 7);
    if (!days) return undefined;
    const sorted = [...new Set(days)].sort((a, b) => ((a + 6) % 7) - ((b + 6) % 7));
    if (sorted.join() === '1,2,3,4,5') return 'Weekdays';
    if (sorted.join() === '6,0') return 'Weekends';
    return listed(sorted.map((day) => dayNames[day] ?? '?'));
  }
  if (dayOfWeek !== '*' && dayOfWeek !== '?') return undefined;
  const days = numbersOf(dayOfMonth);
  if (!days || days.length > 4) return undefined;
  const nth = listed(days.map(ordinal));
  if (month === '*') return `On the ${nth} of each month`;
  const months = numbersOf(month, monthKeys, 1);
  return months && `On the ${nth} of ${listed(months.map((value) => monthNames[value - 1] ?? '?'))}`;
}

export function cronInWords(cron: string): string {
  const text = (nicknames[cron.trim()] ?? cron).trim();
  const fields = text.split(/\s+/);
  if (fields.length === 5) fields.unshift('0');
  const [second, minute, hour, dayOfMonth, month, dayOfWeek] = fields;
  if (!second || !minute || !hour || !dayOfMonth || !month || !dayOfWeek) return text;
  const seconds = numbersOf(second);
  const day = daysOf(dayOfMonth, month, dayOfWeek);
  if (!day) return text;
  const daily = day === 'Every day';
  const on = daily ? '' : `, ${day.replace(/^O/, 'o')}`;
  if (step(second) && minute === '*' && hour === '*') return `Every ${step(second)} seconds${on}`;
  if (!seconds || seconds.length !== 1) return text;
  if (hour === '*') {
    const every = step(minute);
    if (minute === '*' || every === 1) return `Every minute${on}`;
    if (every) return `Every ${every} minutes${on}`;
    const minutes = numbersOf(minute);
    if (!minutes) return text;
    if (minutes.join() === '0') return `Every hour${on}`;
    return `Every hour at ${listed(minutes.map((value) => `:${two(value)}`))}${on}`;
  }
  const minutes = numbersOf(minute);
  const hours = numbersOf(hour);
  const everyHours = step(hour);
  if (everyHours && minutes?.length === 1) {
    const at = minutes[0] === 0 ? '' : ` at :${two(minutes[0] ?? 0)}`;
    return (everyHours === 1 ? 'Every hour' : `Every ${everyHours} hours`) + at + on;
  }
  if (!minutes || !hours) return text;
  const times = timesOf(seconds[0] ?? 0, minutes, hours);
  return times ? `${day} at ${times}` : text;
}

export function spanInWords(span: string | Span): string {
  if (typeof span === 'string') {
    const found = /^(\d+)(s|m|h|d|mo|y)$/.exec(span.trim());
    if (!found) return span;
    const unit = { s: 'second', m: 'minute', h: 'hour', d: 'day', mo: 'month', y: 'year' }[found[2] ?? ''] ?? '';
    return counted(Number(found[1]), unit);
  }
  const { months = 0, days = 0, seconds = 0 } = span;
  if (months > 0) return months % 12 === 0 ? counted(months / 12, 'year') : counted(months, 'month');
  if (days > 0) return days % 7 === 0 ? counted(days / 7, 'week') : counted(days, 'day');
  if (seconds % 3600 === 0) return counted(seconds / 3600, 'hour');
  if (seconds % 60 === 0) return counted(seconds / 60, 'minute');
  return counted(seconds, 'second');
}

function counted(count: number, unit: string): string {
  return count === 1 ? unit : `${count} ${unit}s`;
}

/** `title` holds what was written, for whoever wants it exactly. The zone is named where it is not UTC. */
export function scheduleInWords(schedule: Schedule): { text: string; title: string } {
  const zone = schedule.timezone || 'UTC';
  const suffix = zone === 'UTC' ? ' UTC' : ` ${zone.split('/').pop()?.replaceAll('_', ' ') ?? zone} time`;
  if (schedule.cron) {
    const words = cronInWords(schedule.cron);
    const clock = /\d\d:\d\d/.test(words);
    return { text: words + (clock || words === schedule.cron ? suffix : ''), title: `cron ${schedule.cron}, ${zone}` };
  }
  if (schedule.every) return { text: `Every ${spanInWords(schedule.every)}`, title: `every, ${zone}` };
  return { text: 'On its own schedule', title: zone };
}
