// Chromium for the tests of the page: opens pages, and holds them to what no page may do.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

export const { DASHBOARD_FILES: files = '' } = process.env;
const { DASHBOARD_MODULES: modules = '', MILLRACE_CHROMIUM: chromiumPath = '/usr/bin/chromium' } = process.env;
const needed = [[chromiumPath, 'install chromium'], [path.join(modules, 'playwright-core'), 'build the target dashboard_tests'], [path.join(files, 'index.html'), 'build the target dashboard']];
for (const [what, remedy] of needed) {
  if (existsSync(what)) continue;
  console.log(`SKIPPED: dashboard: ${path.basename(process.argv[1], '_test.mjs')}: ${what} is missing; ${remedy}`);
  process.exit(0);
}
const { chromium } = createRequire(path.join(modules, '..', 'package.json'))('playwright-core');
const axe = await readFile(path.join(modules, 'axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
export const wide = { width: 1440, height: 900 };
export const narrow = { width: 390, height: 800 };

/** Opens a page; what it reports as an error, or asks of any other host, fails the test. */
export async function open(url, { scheme = 'light', size = wide, outage = false } = {}) {
  const context = await browser.newContext({ viewport: size, colorScheme: scheme, reducedMotion: 'reduce', serviceWorkers: 'block' });
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !(outage && message.text().startsWith('Failed to load'))) page.faults.push(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) page.faults.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

export async function done(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

/** Names, roles, contrast, landmarks: the rules of axe-core. */
export async function accessible(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} (${failureSummary})`).join('; ')}`);
  assert.deepEqual(said, [], where);
}

export const quick = { files, runs: 120, items: 300, speed: 12 };

/** Runs those whose name holds the first argument, or all, and ends the process. */
export async function runAll(tests) {
  let failures = 0;
  for (const [name, test] of Object.entries(tests)) {
    if (process.argv[2] && !name.includes(process.argv[2])) continue;
    const began = Date.now();
    try {
      await test();
      console.log(`ok   ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      failures += 1;
      console.log(`FAIL ${name}\n${error.stack}`);
    }
  }
  await browser.close();
  process.exit(failures === 0 ? 0 : 1);
}
