// The page in Chromium over the simulated daemon: starts a flow, watches it end, reads its log, and looks at what a
// screen reader, a keyboard, an outage and ten thousand task runs would meet.
import assert from 'node:assert/strict';
import { accessible, done, files, narrow, open, quick, runAll, wide } from './browser.mjs';
import { serve } from './fake_api.mjs';

const tests = {
  async 'a flow is started from the keyboard, ends, and its log can be searched'() {
    const daemon = await serve(quick);
    const page = await open(daemon.url);
    await page.getByRole('heading', { name: 'Flows' }).waitFor();
    await page.getByRole('link', { name: 'clockify_users', exact: true }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('clockify_users');
    await page.keyboard.press('Escape');
    await page.keyboard.press('j');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'clockify_users');
    await page.keyboard.press('s');
    const dialog = page.getByRole('dialog', { name: 'Start clockify_users' });
    await dialog.waitFor();
    await accessible(page, 'start form');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'param.workspace');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/runs\/\d+$/);
    await page.locator('h1 .state-completed').waitFor({ timeout: 20_000 });
    await page.getByText('merged into warehouse.dl_clockify.users').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('CONTRACT');
    await page.getByText('1 of ').waitFor();
    assert.equal(await page.locator('.log-line').count(), 1);
    assert.equal(await page.locator('.log-line mark').textContent(), 'contract');
    await page.getByRole('tab', { name: 'Details' }).click();
    await page.getByRole('columnheader', { name: 'inserted' }).waitFor();
    await page.getByRole('tab', { name: 'Data' }).click();
    await page.getByRole('tabpanel').getByRole('button', { name: 'rows' }).click();
    await page.getByText('The first 50 of 52 rows').waitFor();
    await accessible(page, 'dataset');
    await done(page);
    await daemon.close();
  },

  async 'rejected rows stand beside the dataset that lacks them, with the rule that each breaks'() {
    const daemon = await serve(quick);
    const run = [...daemon.engine.runs.values()].find((one) => one.state === 'completed' && one.flow === 'clockify_hours');
    for (const scheme of ['light', 'dark']) {
      const page = await open(`${daemon.url}/runs/${run.id}?task=hours&tab=data`, { scheme });
      const table = page.getByRole('region', { name: 'Rejected rows of hours' });
      await table.getByText('breaks check (duration_decimal >= 0)').first().waitFor();
      assert.equal(await table.locator('tbody tr').count(), 2);
      assert.equal(await table.locator('td.broken').first().textContent(), '-1.0000');
      await page.getByRole('region', { name: 'Rows of hours', exact: true }).waitFor();
      await accessible(page, `rejected rows, ${scheme}`);
      await page.getByRole('tab', { name: 'Logs' }).click();
      const level = page.locator('.log-2 .log-level').first();
      await level.waitFor();
      assert.ok(await level.evaluate((one) => one.scrollWidth <= one.clientWidth), 'the level of a warning is cut');
      await done(page);
    }
    await daemon.close();
  },

  async 'the form sends typed parameters once, and shows what the daemon refuses'() {
    const daemon = await serve(quick);
    const page = await open(`${daemon.url}/flows/month_close`, { outage: true });
    const sent = [];
    page.on('request', (request) => request.method() === 'POST' && sent.push(request.postDataJSON()));
    await page.route('**/flows/month_close/runs', (route) => (sent.length > 1 ? route.continue() : route.fulfill({ status: 422, contentType: 'application/problem+json', body: JSON.stringify({ detail: 'no such month', remedy: 'choose another' }) })));
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByRole('textbox', { name: 'month' }).fill('2026-10-01');
    await page.getByLabel('tolerance').fill('0.05');
    await page.getByLabel('dry').selectOption('true');
    await page.getByRole('dialog').getByRole('button', { name: 'Start' }).click();
    await page.getByRole('alert').getByText('no such month').waitFor();
    await page.getByText('choose another').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Start' }).click();
    await page.waitForURL(/\/runs\/\d+$/);
    assert.deepEqual(sent[0].params, { month: '2026-10-01', tolerance: '0.05', dry: true });
    assert.equal(sent[0].idempotency_key, sent[1].idempotency_key);
    // The run stops at its approval; the decision lets it go on.
    await page.getByLabel('Comment').fill('seen');
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    await page.locator('h1 .state-completed').waitFor({ timeout: 20_000 });
    assert.equal(sent.at(-1).decision, 'approve');
    await done(page);
    await daemon.close();
  },

  async 'a failed run says what happened and what to do, and runs again from what failed'() {
    const daemon = await serve(quick);
    const failed = [...daemon.engine.runs.values()].find((run) => run.state === 'failed' && run.flow === 'clockify_hours');
    const page = await open(`${daemon.url}/runs/${failed.id}`);
    await page.getByRole('region', { name: 'What went wrong' }).getByText('Renew the key').waitFor();
    await accessible(page, 'failed run');
    await page.getByRole('button', { name: 'Run again' }).click();
    const asked = page.waitForRequest((request) => request.url().endsWith('/rerun'));
    await page.getByRole('dialog').getByRole('button', { name: 'Run again' }).click();
    assert.equal((await asked).postDataJSON().from, 'failed');
    await page.getByText(`of #${failed.id}`).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the run' }).click();
    await page.locator('h1 .state-cancelled').waitFor();
    await done(page);
    await daemon.close();
  },

  async 'chunks stand under their run and advance'() {
    const daemon = await serve(quick);
    const run = daemon.engine.trigger('clockify_summary');
    const page = await open(`${daemon.url}/runs/${run.id}`);
    await page.getByText('Chunk 3 of 3').waitFor();
    await page.locator('h1 .state-completed').waitFor({ timeout: 30_000 });
    await page.getByText('3 of 3 completed').waitFor();
    await page.goto(`${daemon.url}/runs`);
    await page.getByRole('button', { name: `Chunks of run ${run.id}` }).click();
    await page.getByRole('link', { name: /chunk 2 of 3/ }).first().click();
    await page.getByRole('heading', { name: /chunk 2 of 3/ }).waitFor();
    await done(page);
    await daemon.close();
  },

  async 'text of the API stays text'() {
    const daemon = await serve(quick);
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u0000\u001b[31m';
    const run = [...daemon.engine.runs.values()].find((one) => one.tasks.some((task) => task.error));
    const task = run.tasks.find((one) => one.error);
    Object.assign(task.error, { message: hostile, remedy: hostile });
    run.logs.push({ task: hostile, item: null, attempt: 1, line: 99, at: 'never', level: hostile, text: hostile });
    const page = await open(`${daemon.url}/runs/${run.id}`);
    await page.getByText('<img src=x').first().waitFor();
    assert.equal(await page.locator('main img, main script').count(), 0);
    assert.match(await page.title(), /^Run/);
    await done(page);
    await daemon.close();
  },

  async 'an outage is told, and the page reads again when the daemon is back'() {
    const first = await serve({ ...quick, runs: 20 });
    const port = Number(new URL(first.url).port);
    const page = await open(first.url, { outage: true });
    await page.getByText('Live').waitFor();
    await first.close();
    await page.getByRole('alert').getByText('The daemon is away').waitFor({ timeout: 10_000 });
    await accessible(page, 'daemon away');
    const second = await serve({ ...quick, runs: 40, port });
    await page.getByText('Live').waitFor({ timeout: 20_000 });
    const newest = [...second.engine.runs.values()].filter((run) => !run.parent_id).at(-1);
    await page.locator('.latest').getByText(`#${newest.id}`).waitFor();
    await done(page);
    await second.close();
  },

  async 'nothing deployed, a key wanted, an unknown run: each says what to do'() {
    const empty = await serve({ files, empty: true });
    let page = await open(empty.url);
    await page.getByText('millrace deploy').waitFor();
    await accessible(page, 'no flows');
    await page.goto(`${empty.url}/runs`);
    await page.getByText('No runs yet').waitFor();
    await page.goto(`${empty.url}/nowhere`);
    await page.getByText('There is no such page').waitFor();
    await done(page);
    await empty.close();

    const locked = await serve({ ...quick, key: 'sesame' });
    page = await open(locked.url, { outage: true });
    await page.getByLabel('API key').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('this API key is not known').waitFor();
    await accessible(page, 'key form');
    await page.getByLabel('API key').fill('sesame');
    await page.keyboard.press('Enter');
    await page.getByText('Live').waitFor();
    await page.goto(`${locked.url}/runs/999999`);
    await page.getByText('There is no run 999999').waitFor();
    await done(page);
    await locked.close();
  },

  async 'every page passes the accessibility rules, light and dark, wide and narrow'() {
    const daemon = await serve(quick);
    const run = [...daemon.engine.runs.values()].find((one) => one.flow === 'clockify_hours' && one.state === 'completed');
    for (const [scheme, size] of [['light', narrow], ['dark', wide]]) {
      const page = await open(daemon.url, { scheme, size });
      for (const where of ['/', '/runs', '/flows/clockify_hours', `/runs/${run.id}`, `/runs/${run.id}?tab=details&task=hours`]) {
        await page.goto(daemon.url + where);
        await page.locator('h1').waitFor();
        await page.waitForTimeout(150);
        await accessible(page, `${where} ${scheme} ${size.width}`);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(overflow <= 0, `${where} at ${size.width} scrolls sideways by ${overflow}`);
      }
      await done(page);
    }
    await daemon.close();
  },

  async 'thousands of runs and ten thousand task runs stay light'() {
    const daemon = await serve({ files, runs: 4000, items: 5, speed: 50 });
    const page = await open(`${daemon.url}/runs`);
    await page.locator('.run-row').first().waitFor();
    for (let i = 0; i < 6; ++i) {
      await page.locator('.run-table .virtual').evaluate((list) => list.scrollTo(0, list.scrollHeight));
      await page.waitForTimeout(150);
    }
    const space = await page.locator('.virtual-space').evaluate((element) => element.clientHeight);
    assert.ok(space >= 44 * 400, `further pages were read: ${space}`);
    assert.ok(await page.locator('.run-row').count() < 80, 'only rows in sight exist');
    daemon.engine.items = 10_000;
    const run = daemon.engine.trigger('site_checks');
    await page.goto(`${daemon.url}/runs/${run.id}`);
    await page.getByText('10,000 items').waitFor();
    await page.getByRole('button', { name: /10,000 items/ }).click();
    await page.waitForTimeout(1500);
    assert.ok(await page.locator('.task-row').count() < 80, 'only task rows in sight exist');
    const slowest = await page.evaluate(async () => {
      let worst = 0;
      let last = performance.now();
      const list = document.querySelector('.task-virtual');
      for (let frame = 0; frame < 60; ++frame) {
        list.scrollTop += 700;
        await new Promise((drawn) => requestAnimationFrame(drawn));
        worst = Math.max(worst, performance.now() - last);
        last = performance.now();
      }
      return worst;
    });
    console.log(`  the slowest of 60 frames while 10,000 task runs change: ${slowest.toFixed(0)} ms`);
    await done(page);
    await daemon.close();
  },
};

await runAll(tests);
