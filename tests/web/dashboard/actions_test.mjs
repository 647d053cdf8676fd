// What a person does with a run, in Chromium over the simulated daemon: pauses it, lets it go on, runs it again as they choose.
import assert from 'node:assert/strict';
import { accessible, done, files, open, quick, runAll } from './browser.mjs';
import { serve } from './fake_api.mjs';

const focused = (page) => page.evaluate(() => document.activeElement?.textContent);
const body = (request) => request.postDataJSON();
const ofFlow = (daemon, flow, state) => [...daemon.engine.runs.values()].find((run) => run.flow === flow && run.state === state && !run.parent_id);

const tests = {
  async 'a run is paused and goes on; each says before what it will do'() {
    const daemon = await serve({ files, runs: 40, speed: 1 });
    const run = daemon.engine.trigger('clockify_hours');
    const page = await open(`${daemon.url}/runs/${run.id}`);
    await page.getByRole('button', { name: 'Pause' }).click();
    const dialog = page.getByRole('dialog', { name: `Pause run ${run.id}?` });
    await dialog.getByText('No further task begins; those under way go on.').waitFor();
    await accessible(page, 'pause');
    await dialog.getByRole('button', { name: 'Pause the run' }).click();
    await page.locator('h1 .state-paused').waitFor();
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await focused(page), 'Resume', 'the focus is where it was');
    const begun = run.tasks.filter((task) => task.state === 'running').map((task) => task.task);
    await page.locator('.task-row .state-running').first().waitFor({ state: 'detached', timeout: 30_000 });
    for (const task of run.tasks) assert.notEqual(task.state, 'running');
    for (const task of run.tasks) if (begun.includes(task.task)) assert.equal(task.state, 'completed', 'what was under way went on');
    assert.equal(run.tasks.at(-1).state, 'pending', 'nothing further began');
    await page.getByRole('button', { name: 'Resume' }).press('Enter');
    await page.getByRole('dialog').getByText('Its next tasks begin.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Resume the run' }).click();
    await page.locator('h1 .state-completed').waitFor({ timeout: 30_000 });
    assert.equal(await page.getByRole('button', { name: /^(Pause|Resume|Cancel)$/ }).count(), 0, 'an ended run can only run again');
    await done(page);
    await daemon.close();
  },

  async 'a pause that is refused says why'() {
    const daemon = await serve({ files, runs: 40, speed: 1 });
    const run = daemon.engine.trigger('clockify_hours');
    const page = await open(`${daemon.url}/runs/${run.id}`, { outage: true });
    await page.getByRole('button', { name: 'Pause' }).click();
    daemon.engine.cancel(run);
    await page.getByRole('dialog').getByRole('button', { name: 'Pause the run' }).click();
    await page.getByRole('dialog').getByRole('alert').getByText(`run ${run.id} is cancelled: it cannot be paused`).waitFor();
    await done(page);
    await daemon.close();
  },

  async 'a run is repeated from one task on, on the plan that it had, with another parameter'() {
    const daemon = await serve(quick);
    const run = ofFlow(daemon, 'clockify_clients', 'completed');
    run.plan_hash = 'another';
    const page = await open(`${daemon.url}/runs/${run.id}`);
    await page.getByRole('button', { name: 'Run again' }).click();
    const dialog = page.getByRole('dialog', { name: 'Run clockify_clients again' });
    assert.equal(await dialog.getByRole('radio', { name: 'From what failed' }).count(), 0, 'nothing in it failed');
    assert.ok(await dialog.getByRole('radio', { name: 'From the start' }).evaluate((one) => one === document.activeElement && one.checked));
    await dialog.getByRole('radio', { name: 'From one task on' }).check();
    await dialog.getByRole('combobox', { name: 'Task' }).selectOption('rows');
    await dialog.getByRole('radio', { name: `As it was for run ${run.id}` }).check();
    await dialog.getByText('Other parameters').click();
    assert.equal(await dialog.getByLabel('workspace').getAttribute('placeholder'), 'clockify (as it was)');
    await dialog.getByLabel('workspace').fill('agency_b');
    await accessible(page, 'run again');
    const asked = page.waitForRequest((request) => request.url().endsWith('/rerun'));
    await page.keyboard.press('Enter');
    const { idempotency_key: key, ...sent } = body(await asked);
    assert.match(key, /^[0-9a-f]{32}$/);
    assert.deepEqual(sent, { from: 'task', task: 'rows', plan: 'pinned', params: { workspace: 'agency_b' } });
    await page.getByText(`of #${run.id}`).waitFor();
    await done(page);
    await daemon.close();
  },

  async 'a backfill shows how far it is, can be paused, and runs again by its chunks'() {
    const daemon = await serve({ files, runs: 40, speed: 2 });
    const run = daemon.engine.trigger('clockify_summary', { trigger: 'backfill', backfill: { done: [2] } });
    const page = await open(`${daemon.url}/runs`);
    await page.locator('.run-row', { hasText: `#${run.id}` }).getByText(/^[12] of 3$/).waitFor();
    await page.goto(`${daemon.url}/runs/${run.id}`);
    await page.locator('.run-progress').getByText(/^[12] of 3$/).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('dialog').getByText('No further chunk begins').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause the run' }).click();
    await page.locator('h1 .state-paused').waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Resume the run' }).click();
    await page.locator('h1 .state-completed').waitFor({ timeout: 30_000 });
    await page.getByText('2 of 3 completed, 1 was done before').waitFor();
    await page.getByRole('button', { name: 'Run again' }).click();
    await page.getByRole('dialog').getByRole('radio').first().waitFor();
    assert.equal(await page.getByRole('dialog').getByRole('radio').count(), 1, 'it has no tasks of its own, nothing failed, and its flow is the same');
    const asked = page.waitForRequest((request) => request.url().endsWith('/rerun'));
    await page.getByRole('dialog').getByRole('button', { name: 'Run again' }).click();
    assert.equal(body(await asked).from, 'start');
    await done(page);
    await daemon.close();
  },
};

await runAll(tests);
