// Schedules, figures, chunks and the graph's layout: the pure parts, without a browser.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const work = process.env.DASHBOARD_BUILD;
if (!existsSync(path.join(work, 'node_modules/esbuild'))) {
  console.log(`SKIPPED: dashboard: words: ${work}/node_modules/esbuild is missing; build the target dashboard`);
  process.exit(0);
}
const { build } = createRequire(path.join(work, 'package.json'))('esbuild');

const folder = await mkdtemp(path.join(os.tmpdir(), 'millrace-words-'));
async function load(source) {
  const outfile = path.join(folder, `${path.basename(source).replace(/\.tsx?$/, '')}.mjs`);
  await build({ entryPoints: [path.join(work, 'src', source)], bundle: true, format: 'esm', platform: 'node', outfile, jsx: 'automatic', jsxImportSource: 'preact', logLevel: 'error' });
  return import(pathToFileURL(outfile));
}

try {
  const { cronInWords, scheduleInWords, spanInWords } = await load('words/schedule.ts');
  const crons = {
    '0 6 * * *': 'Every day at 06:00',
    '0 5 * * 1': 'Mondays at 05:00',
    '0 5 * * 0': 'Sundays at 05:00',
    '0 5 * * 7': 'Sundays at 05:00',
    '30 6 * * 1-5': 'Weekdays at 06:30',
    '0 9 * * 6,0': 'Weekends at 09:00',
    '0 9 * * mon,wed,fri': 'Mondays, Wednesdays and Fridays at 09:00',
    '0 2,14 * * *': 'Every day at 02:00 and 14:00',
    '15 30 4 * * *': 'Every day at 04:30:15',
    '*/15 * * * *': 'Every 15 minutes',
    '*/10 * * * 1-5': 'Every 10 minutes, Weekdays',
    '* * * * *': 'Every minute',
    '0 * * * *': 'Every hour',
    '5,35 * * * *': 'Every hour at :05 and :35',
    '0 */4 * * *': 'Every 4 hours',
    '20 */4 * * *': 'Every 4 hours at :20',
    '*/30 * * * * *': 'Every 30 seconds',
    '0 8 1 * *': 'On the 1st of each month at 08:00',
    '0 8 1,15 * *': 'On the 1st and 15th of each month at 08:00',
    '0 0 1 1 *': 'On the 1st of January at 00:00',
    '0 0 11 jan,jul *': 'On the 11th of January and July at 00:00',
    '@daily': 'Every day at 00:00',
    // Without simple words: as written.
    '0 8 1 * 1': '0 8 1 * 1',
    '0 9-17 * * *': '0 9-17 * * *',
    'nonsense': 'nonsense',
    '0 6 * *': '0 6 * *',
  };
  for (const [cron, words] of Object.entries(crons)) assert.equal(cronInWords(cron), words, cron);
  assert.equal(spanInWords('1d'), 'day');
  assert.equal(spanInWords({ months: 0, days: 14, seconds: 0 }), '2 weeks');
  assert.equal(spanInWords({ seconds: 1800 }), '30 minutes');
  assert.equal(spanInWords({ months: 6 }), '6 months');
  assert.equal(scheduleInWords({ cron: '0 6 * * *', timezone: 'America/Sao_Paulo' }).text, 'Every day at 06:00 Sao Paulo time');
  assert.equal(scheduleInWords({ cron: '0 6 * * *', timezone: 'UTC' }).text, 'Every day at 06:00 UTC');
  assert.equal(scheduleInWords({ cron: '', every: '90s', timezone: 'UTC' }).text, 'Every 90 seconds');

  const { bytes, compact, duration, intervalText, itemText, relative } = await load('words/figures.ts');
  assert.deepEqual([0, 999, 1500, 59_999, 61_000, 3_600_000, 90_000_000].map(duration), ['0 ms', '999 ms', '1.5 s', '59 s', '1 min 1 s', '1 h 0 min', '1 d 1 h']);
  assert.deepEqual([9999, 10_000, 123_456, 1_234_567].map(compact), ['9,999', '10.0 k', '123 k', '1.2 M']);
  assert.deepEqual([1023, 1024, 5_242_880].map(bytes), ['1023 B', '1.0 KiB', '5.0 MiB']);
  assert.deepEqual([relative(0, 61_000), relative(61_000, 0), relative(0, 1000), relative(0, 86_400_000 * 3)], ['1 min ago', 'in 1 min', 'just now', '3 d ago']);
  assert.equal(intervalText({ start: '2026-08-29T00:00:00Z', end: '2026-11-21T00:00:00Z' }, 'UTC'), '2026-08-29 to 2026-11-21');
  assert.equal(intervalText({ start: '2026-11-12T03:00:00Z', end: '2026-11-20T03:00:00Z' }, 'America/Sao_Paulo'), '2026-11-12 to 2026-11-20');
  assert.equal(intervalText({ start: '2026-11-12T03:00:00Z', end: '2026-11-12T04:00:00Z' }, 'Atlantis/Nowhere'), '2026-11-12 03:00 to 04:00');
  assert.equal(itemText({ site: 'a' }), 'a');
  assert.equal(itemText({ site: 'a', n: 2 }), 'site: a, n: 2');

  const { chunkCounts, chunksInWords, chunksSaid, doneBefore } = await load('words/chunks.ts');
  const running = (message) => ({ state: 'running', message });
  const parts = (states, of) => states.map((state, index) => state && { state, chunk: { number: index + 1, of } }).filter(Boolean);
  assert.deepEqual(chunksSaid(running('chunk 3 of 10')), { completed: 2, failed: 0, running: 1, pending: 7 });
  assert.deepEqual(chunksSaid(running('4 of 10 chunks done, 1 failed')), { completed: 4, failed: 1, running: 0, pending: 5 });
  assert.deepEqual(chunksSaid(running('late: due 06:00; 4 of 10 chunks done')), { completed: 4, failed: 0, running: 0, pending: 6 });
  assert.equal(chunksSaid({ state: 'completed', message: '4 of 10 chunks were done before' }), undefined);
  assert.equal(chunksSaid(running('waits for a slot')), undefined);
  // 10 chunks, of which 2 and 9 were done before; 1 is done, 3 failed, 4 and 5 are under way.
  const some = parts(['completed', null, 'failed', 'running', 'running'], 10);
  assert.deepEqual(chunkCounts(running('3 of 10 chunks done, 1 failed'), some), { completed: 3, failed: 1, running: 2, pending: 4 });
  assert.equal(chunksInWords(running('3 of 10 chunks done, 1 failed'), some), '1 of 10 completed, 2 were done before');
  assert.deepEqual(chunkCounts(running('chunk 2 of 3'), parts(['completed', 'running'], 3)), { completed: 1, running: 1, pending: 1 });
  assert.equal(chunksInWords({ state: 'completed', message: '1 of 3 chunks were done before' }, parts(['completed', 'completed'], 3)), '2 of 3 completed, 1 was done before');
  assert.equal(doneBefore({ state: 'failed', message: '1 of 4 chunks did not complete; chunk 1 of 4: x' }, parts(['failed', 'completed'], 4)), 2);
  assert.equal(doneBefore({ state: 'failed', message: 'chunk 2 of 4: x' }, parts(['completed', 'failed'], 4)), 0);
  console.log(`${Object.keys(crons).length} schedules, the figures and the chunks read as they should`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
