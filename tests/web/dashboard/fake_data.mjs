// Flows, runs and datasets as a company with Clockify would have them; the same from the same seed.

/** A small deterministic generator (mulberry32): numbers in [0, 1). */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const workspace = { name: 'workspace', type: 'connection', default_value: 'clockify', enumeration: [], min: null, max: null, required: false };

/** `ms` is how long a task takes when simulated, `rows` how many it gives. */
const etl = (resource, rows, table) => [
  { name: resource, verb: 'extract', needs: [], ms: 4000, rows, slices: 1 },
  { name: 'rows', verb: 'transform', needs: [resource], ms: 900, rows },
  { name: 'warehouse', verb: 'load', needs: ['rows'], ms: 1400, rows, table: `warehouse.dl_clockify.${table}` },
];

export const flows = [
  {
    name: 'clockify_clients', description: 'Clients of a Clockify workspace, into the warehouse', tags: ['clockify'],
    schedules: [{ cron: '0 5 * * 1', timezone: 'UTC' }], params: [workspace], interval: false, tasks: etl('clients', 86, 'clients'),
  },
  {
    name: 'clockify_hours', description: 'Hours booked in Clockify per active project', tags: ['clockify', 'mongodb'], owner: 'data@example.org',
    schedules: [{ cron: '0 6 * * 1-5', timezone: 'America/Sao_Paulo' }], params: [], interval: true, midnight: 3,
    tasks: [
      { name: 'projects', verb: 'extract', needs: [], ms: 1500, rows: 211, slices: 1 },
      { name: 'entries', verb: 'extract', needs: ['projects'], ms: 9000, rows: 18432, slices: 211, fails: true },
      { name: 'hours', verb: 'transform', needs: ['projects', 'entries'], ms: 1200, rows: 18430, rejected: 2 },
      { name: 'appointed_hours', verb: 'load', needs: ['hours'], ms: 2500, rows: 18430, table: 'mongodb.AppointedHours' },
    ],
  },
  {
    name: 'clockify_projects', description: 'Projects of a Clockify workspace with rates (minor units), estimates and their first membership, into the warehouse', tags: ['clockify'],
    schedules: [{ cron: '0 5 * * 1', timezone: 'UTC' }], params: [workspace], interval: false, tasks: etl('projects', 204, 'projects'),
  },
  {
    name: 'clockify_summary', description: 'Hours and amounts booked in Clockify per user, project, tag and day of the last 84 days, into the warehouse', tags: ['clockify'],
    schedules: [{ cron: '0 6 * * *', timezone: 'UTC' }],
    params: [workspace, { name: 'vanished', type: 'text', default_value: 'missing', enumeration: ['missing', 'none'], min: null, max: null, required: false }],
    interval: true, chunks: 3,
    tasks: [
      { name: 'report', verb: 'extract', needs: [], ms: 7000, rows: 1400, slices: 28 },
      { name: 'rows', verb: 'transform', needs: ['report'], ms: 1500, rows: 19876 },
      { name: 'warehouse', verb: 'load', needs: ['rows'], ms: 2600, rows: 19876, table: 'warehouse.dl_clockify.summary_time_entry_report' },
    ],
  },
  {
    name: 'clockify_users', description: 'Members of a Clockify workspace with their settings and their membership (rate in minor units), into the warehouse', tags: ['clockify'],
    schedules: [{ cron: '0 5 * * 1', timezone: 'UTC' }], params: [workspace], interval: false, tasks: etl('users', 52, 'users'),
  },
  {
    name: 'month_close', description: 'Invoices of a month, booked after a person has looked at them', tags: ['finance'], owner: 'finance@example.org',
    schedules: [{ cron: '0 8 1 * *', timezone: 'Europe/Berlin' }], interval: false,
    params: [
      { name: 'month', type: 'date', default_value: null, enumeration: [], min: null, max: null, required: true },
      { name: 'tolerance', type: 'decimal', default_value: '0.01', enumeration: [], min: 0, max: 1, required: false },
      { name: 'dry', type: 'bool', default_value: false, enumeration: [], min: null, max: null, required: false },
    ],
    tasks: [
      { name: 'invoices', verb: 'extract', needs: [], ms: 2000, rows: 918, slices: 4 },
      { name: 'differences', verb: 'transform', needs: ['invoices'], ms: 500, rows: 3 },
      { name: 'look', verb: 'approve', needs: ['differences'], ms: 1e9, text: '3 invoices differ by more than 0.01: book them?' },
      { name: 'book', verb: 'load', needs: ['look'], ms: 1500, rows: 918, table: 'warehouse.finance.invoices' },
    ],
  },
  {
    name: 'site_checks', description: 'One check for each customer site', tags: ['operations'],
    schedules: [{ every: { months: 0, days: 0, seconds: 1800 }, timezone: 'UTC' }], params: [], interval: false,
    tasks: [
      { name: 'sites', verb: 'transform', needs: [], ms: 300, rows: 2000 },
      { name: 'check', verb: 'run', needs: ['sites'], ms: 6000, mapped: true },
      { name: 'report', verb: 'notify', needs: ['check'], ms: 200 },
    ],
  },
];

export const failure = {
  class: 'auth',
  message: 'clockify refused the request GET https://reports.api.clockify.me/v1/workspaces/64ab1/reports/detailed: 401 "Api key does not exist"',
  remedy: 'Renew the key in Clockify (Profile settings, API) and set CLOCKIFY_API_KEY; then run again from what failed.',
};

export const iso = (ms) => new Date(ms).toISOString();
export const day = 86_400_000;

/** Everything that has happened before the page is opened: `count` runs, newest last. */
export function history(count, now, random) {
  const runs = [];
  const step = Math.min(45 * 60_000, (60 * day) / count);
  for (let i = 0; i < count; ++i) {
    const flow = flows[[3, 1, 6, 3, 0, 2, 4, 6][Math.floor(random() * 8)]];
    const created = now - (count - i) * step - 600_000 - random() * 60_000;
    const luck = random();
    const state = flow.name === 'clockify_hours' && luck < 0.22 ? 'failed' : luck < 0.02 ? 'crashed' : luck < 0.035 ? 'cancelled' : luck < 0.05 ? 'failed' : 'completed';
    runs.push({ flow, created, state, ms: 4000 + random() * 16000 * flow.tasks.length, trigger: luck > 0.9 ? 'cli' : luck > 0.86 ? 'api' : 'schedule' });
  }
  return runs;
}

const people = ['Ana Prado', 'João Lima', 'Mei Tanaka', 'Oskar Lund', 'Priya Nair', 'Tomás Vega'];
const projects = ['Harbour portal', 'Mill renovation', 'Payroll migration', 'Loyalty app', 'Internal'];

export function dataset(task, limit) {
  const random = numbers(7);
  const columns = [
    { name: 'user', type: 'text' }, { name: 'user_id', type: 'text' }, { name: 'project', type: 'text' }, { name: 'tags', type: 'text' },
    { name: 'date', type: 'date' }, { name: 'duration_decimal', type: 'decimal(18,4)' }, { name: 'amount_decimal', type: 'decimal(18,6)' }, { name: 'import_timestamp', type: 'timestamptz' },
  ];
  const pick = (list) => list[Math.floor(random() * list.length)];
  const rows = Array.from({ length: Math.min(limit, task.rows) }, (_, i) => ({
    user: pick(people), user_id: `5f${(i * 7919).toString(16).padStart(6, '0')}`, project: pick(projects), tags: random() < 0.4 ? null : pick(['review', 'build', 'meeting']),
    date: `2026-11-${String(1 + (i % 20)).padStart(2, '0')}`, duration_decimal: (random() * 8).toFixed(4), amount_decimal: (random() * 900).toFixed(6), import_timestamp: '2026-11-21T06:00:00Z',
  }));
  return { columns, rows, total: task.rows };
}

export function rejectedRows(task, limit) {
  const rows = Array.from({ length: Math.min(limit, task.rejected) }, (_, i) => ({
    item: null, column: 'duration_decimal', rule: 'breaks check (duration_decimal >= 0)', value: `-${i + 1}.0000`, position: String(i * 211 + 7),
    fields: { user: people[i % people.length], user_id: `5f00${i}`, project: projects[i % projects.length], date: null, duration_decimal: `-${i + 1}.0000` },
  }));
  return { columns: ['user', 'user_id', 'project', 'date', 'duration_decimal'], rows, total: task.rejected };
}
