// A daemon's behaviour without a daemon: runs that advance with time and tell what changed. For the dashboard's tests only.
import { EventEmitter } from 'node:events';
import { createHash } from 'node:crypto';
import { day, failure, flows, history, iso, numbers } from './fake_data.mjs';

const final = ['completed', 'failed', 'crashed', 'cancelled', 'skipped'];
export const isFinal = (state) => final.includes(state);
const hash = (text) => createHash('sha256').update(text).digest('hex');

export class Engine extends EventEmitter {
  /** `speed` 10: ten times faster than the flows say. */
  constructor({ seed = 1, runs = 400, speed = 1, items = 2000, empty = false, now = Date.now() } = {}) {
    super();
    this.setMaxListeners(0);
    this.random = numbers(seed);
    this.speed = speed;
    this.items = items;
    this.flows = empty ? [] : flows;
    this.paused = new Set();
    this.runs = new Map();
    this.keys = new Map();
    this.nextId = 1;
    if (!empty) for (const past of history(runs, now, this.random)) this.#remember(past);
    this.timer = setInterval(() => this.#tick(), 100);
  }

  close() {
    clearInterval(this.timer);
  }

  #document(flow, created, trigger, params, interval, parent, chunk) {
    return {
      id: this.nextId++, flow: flow.name, state: 'pending', state_name: null, message: null, trigger, created_at: iso(created), scheduled_for: trigger === 'schedule' ? iso(created) : null,
      started_at: null, finished_at: null, params: { ...Object.fromEntries(flow.params.map((p) => [p.name, p.default_value])), ...params }, interval, rerun_of: null,
      parent_id: parent?.id ?? null, chunk: chunk ?? null, plan_hash: hash(flow.name), counts: {}, loads: [], tasks: [], chunks: [], logs: [], made: flow,
    };
  }

  #taskRuns(run) {
    for (const task of run.made.tasks) {
      const one = (item) => ({
        task: task.name, item, item_hash: item ? hash(JSON.stringify(item)).slice(0, 16) : null, verb: task.verb, state: 'pending', state_name: null, message: null, error: null,
        attempts: 0, started_at: null, finished_at: null, rows: null, rejected: null, progress: null, loads: [], needs: task.needs, made: task, ms: task.ms * (0.75 + this.random() / 2),
      });
      if (task.mapped) for (let i = 0; i < this.items; ++i) run.tasks.push({ ...one({ site: `site-${String(i).padStart(4, '0')}.example.org` }), ms: 300 + this.random() * 1500 });
      else run.tasks.push(one(null));
    }
  }

  #interval(flow, created, asked) {
    if (!flow.interval) return null;
    const end = Math.floor(created / day) * day + (flow.midnight ?? 0) * 3_600_000;
    return asked ?? { start: iso(end - (flow.chunks ? 84 : 8) * day), end: iso(end) };
  }

  trigger(name, { params = {}, interval = null, idempotency_key = '', trigger = 'api', backfill } = {}) {
    const flow = this.flows.find((one) => one.name === name);
    if (idempotency_key && this.keys.has(idempotency_key)) return this.keys.get(idempotency_key);
    const run = this.#create(flow, Date.now(), trigger, params, interval, backfill);
    if (idempotency_key) this.keys.set(idempotency_key, run);
    return run;
  }

  /** `backfill.done`: numbers of chunks that an earlier run did. */
  #create(flow, created, trigger, params, interval, backfill) {
    const run = this.#document(flow, created, trigger, params, this.#interval(flow, created, interval));
    this.runs.set(run.id, run);
    run.done_before = backfill?.done ?? [];
    if (flow.chunks) {
      const start = Date.parse(run.interval.start);
      const part = (Date.parse(run.interval.end) - start) / flow.chunks;
      for (let n = 0; n < flow.chunks; ++n) {
        if (run.done_before.includes(n + 1)) continue;
        const chunk = this.#document(flow, created, trigger, params, { start: iso(start + n * part), end: iso(start + (n + 1) * part) }, run, { number: n + 1, of: flow.chunks });
        this.#taskRuns(chunk);
        this.runs.set(chunk.id, chunk);
        run.chunks.push(chunk);
      }
    } else {
      this.#taskRuns(run);
    }
    this.#changed(run);
    return run;
  }

  /** A past run: made at once, as if it had been simulated. */
  #remember({ flow, created, state, ms, trigger }) {
    const run = this.#create(flow, created, trigger, {}, null);
    const members = run.chunks.length > 0 ? run.chunks : [run];
    members.forEach((member, index) => {
      const last = index === members.length - 1;
      const begin = created + (index * ms) / members.length;
      const span = ms / members.length;
      const broken = last && state !== 'completed' ? Math.min(1, member.tasks.length - 1) : member.tasks.length;
      let at = begin;
      member.tasks.forEach((task, position) => {
        task.started_at = iso(at);
        if (task.made.mapped) {
          task.started_at = iso(at + this.random() * span * 0.4);
          this.#finish(member, task, 'completed', Date.parse(task.started_at) + task.ms);
        } else if (position < broken) {
          at += span / member.tasks.length;
          this.#finish(member, task, 'completed', at);
        } else if (position === broken && !task.item) {
          at += span / member.tasks.length;
          task.error = state === 'crashed' ? { class: 'crashed', message: `The host of ${task.task} was killed by signal 9 (out of memory at 512 MiB)`, remedy: 'Raise `memory:` of the task, or cut the interval into smaller chunks.' } : state === 'failed' ? failure : null;
          this.#finish(member, task, state, at);
        } else {
          task.started_at = null;
          task.state = 'cancelled';
          task.message = 'a task that it needs did not complete';
          task.finished_at = iso(at);
        }
      });
      member.started_at = iso(begin + 4);
      this.#settle(member, last ? state : 'completed', begin + span);
    });
    if (run.chunks.length > 0) {
      run.started_at = iso(created + 4);
      run.loads = run.chunks.flatMap((chunk) => chunk.loads);
      this.#settle(run, state, created + ms);
    }
  }

  #log(run, task, level, text, at = Date.now()) {
    const line = { task: task.task, item: task.item, attempt: task.attempts, line: (task.lines = (task.lines ?? 0) + 1), at: iso(at), level, text };
    run.logs.push(line);
    this.emit('event', 'log', { run_id: run.id, ...line });
  }

  #changed(run) {
    run.counts = {};
    for (const part of run.chunks.length > 0 ? run.chunks : run.tasks) run.counts[part.state] = (run.counts[part.state] ?? 0) + 1;
    if (run.trigger === 'backfill' && !run.parent_id && !isFinal(run.state)) run.message = `${(run.counts.completed ?? 0) + run.done_before.length} of ${run.made.chunks} chunks done`;
    this.emit('event', 'run', this.summary(run));
  }

  #taskChanged(run, task) {
    this.emit('event', 'task_run', { run_id: run.id, ...this.taskDocument(task) });
  }

  #finish(run, task, state, at = Date.now()) {
    const { made } = task;
    task.state = state;
    task.attempts = Math.max(1, task.attempts);
    task.finished_at = iso(at);
    if (state === 'completed' && made.rows != null) {
      task.rows = made.rows;
      task.rejected = made.rejected ?? 0;
      if (made.slices) task.progress = this.#progress(made, 1);
      if (made.verb === 'extract') this.#log(run, task, 'info', `extracted ${made.rows} records in ${made.slices} slices, announced total matches`, at);
      if (made.verb === 'transform') this.#log(run, task, made.rejected ? 'warning' : 'info', made.rejected ? `${made.rejected} rows to quarantine: hours >= 0` : `${made.rows} rows, every contract holds`, at);
      if (made.table) {
        const inserted = Math.floor(this.random() * made.rows * 0.02);
        const updated = Math.floor(this.random() * made.rows * 0.01);
        task.loads = [{ task: task.task, table: made.table, inserted, updated, unchanged: made.rows - inserted - updated, deleted: made.name === 'warehouse' && run.chunk ? Math.floor(this.random() * 4) : 0, rejected: 0, seconds: made.ms / 1000, already_loaded: false }];
        run.loads = [...run.loads, ...task.loads];
        this.#log(run, task, 'info', `merged into ${made.table}: ${inserted} inserted, ${updated} updated, ${made.rows - inserted - updated} unchanged`, at);
      }
    } else if (task.error) {
      this.#log(run, task, 'error', `${task.error.class}: ${task.error.message}`, at);
    } else if (state === 'completed') {
      this.#log(run, task, 'info', made.verb === 'run' ? `\u001b[32mok\u001b[0m ${task.item?.site ?? ''} answered 200 in ${Math.floor(task.ms)} ms` : 'done', at);
    }
  }

  #settle(run, state, at = Date.now()) {
    run.state = state;
    run.state_name = null;
    run.finished_at = iso(at);
    run.message = state === 'completed' ? null : state === 'cancelled' ? 'cancelled by uid 1000' : `${run.tasks.find((t) => t.error)?.task ?? 'a chunk'} ${state}`;
    this.#changed(run);
    if (run.parent_id) this.#changed(this.runs.get(run.parent_id));
  }

  #progress(made, share) {
    const done = Math.floor(made.slices * share);
    const records = Math.floor(made.rows * share);
    return { step: null, requests: done + Math.ceil(records / 50), pages: Math.ceil(records / 50), records, bytes: records * 412, slices_done: done, slices_total: made.slices, records_total: made.rows };
  }

  #tick() {
    for (const run of [...this.runs.values()]) if (!isFinal(run.state)) this.#advance(run);
  }

  #advance(run) {
    const now = Date.now();
    if (run.parent_id && run.state === 'pending' && this.runs.get(run.parent_id).state === 'paused') return;
    if (run.parent_id && this.runs.get(run.parent_id).chunks.find((one) => !isFinal(one.state)) !== run) return;
    if (run.state === 'pending') {
      run.state = 'running';
      run.started_at = iso(now);
      this.#changed(run);
    }
    if (run.chunks.length > 0) {
      if (run.chunks.every((chunk) => isFinal(chunk.state))) {
        run.loads = run.chunks.flatMap((chunk) => chunk.loads);
        const bad = run.chunks.find((chunk) => chunk.state !== 'completed');
        this.#settle(run, bad?.state ?? 'completed');
      }
      return;
    }
    let moved = false;
    const done = new Set(run.made.tasks.filter((made) => run.tasks.filter((t) => t.task === made.name).every((t) => t.state === 'completed')).map((made) => made.name));
    let slots = 40;
    for (const task of run.tasks) {
      if (task.state === 'pending' && run.state !== 'paused' && slots > 0 && task.needs.every((need) => done.has(need))) {
        slots -= 1;
        moved = true;
        task.state = task.verb === 'approve' ? 'paused' : 'running';
        task.state_name = task.verb === 'approve' ? 'AwaitingApproval' : null;
        task.message = task.made.text ?? null;
        task.attempts = 1;
        task.started_at = iso(now);
        this.#taskChanged(run, task);
        if (!task.item) this.#log(run, task, 'info', `attempt 1 of ${task.task} begins on host ${task.verb === 'extract' ? 'extract-1' : 'sql-2'}`);
      } else if (task.state === 'running') {
        slots -= 1;
        const share = Math.min(1, ((now - Date.parse(task.started_at)) * this.speed) / task.ms);
        if (task.made.slices && share < 1) {
          const progress = this.#progress(task.made, share);
          if (progress.slices_done !== task.progress?.slices_done) this.#log(run, task, progress.slices_done % 9 === 4 ? 'warn' : 'debug', progress.slices_done % 9 === 4 ? '429 Too Many Requests, Retry-After 1: the bucket of clockify waits 1 s' : `slice ${progress.slices_done} of ${task.made.slices}: ${progress.records} records so far`);
          task.progress = progress;
          this.emit('event', 'progress', { run_id: run.id, task: task.task, item_hash: task.item_hash, progress });
        }
        if (share >= 1) {
          moved = true;
          this.#finish(run, task, 'completed');
          this.#taskChanged(run, task);
        }
      }
    }
    if (moved) this.#changed(run);
    if (run.tasks.every((task) => isFinal(task.state))) this.#settle(run, 'completed');
  }

  cancel(run) {
    for (const chunk of run.chunks) if (!isFinal(chunk.state)) this.cancel(chunk);
    for (const task of run.tasks) {
      if (isFinal(task.state)) continue;
      task.state = 'cancelled';
      task.message = 'the run was cancelled';
      task.finished_at = task.started_at ? iso(Date.now()) : null;
      this.#taskChanged(run, task);
    }
    this.#settle(run, 'cancelled');
  }

  /** Nothing further begins; what is under way goes on. */
  hold(run, paused) {
    run.state = paused ? 'paused' : 'running';
    for (const chunk of run.chunks) if (chunk.state === (paused ? 'running' : 'paused')) this.hold(chunk, paused);
    this.#changed(run);
  }

  rerun(run, params) {
    const again = this.trigger(run.flow, { params: { ...run.params, ...params }, interval: run.interval, trigger: 'rerun' });
    again.rerun_of = run.id;
    return again;
  }

  decide(run, name, decision) {
    const task = run.tasks.find((one) => one.task === name);
    task.state = decision === 'approve' ? 'completed' : 'failed';
    task.state_name = null;
    task.message = `${decision === 'approve' ? 'approved' : 'rejected'} by local`;
    task.finished_at = iso(Date.now());
    this.#taskChanged(run, task);
    if (decision !== 'approve') this.#settle(run, 'failed');
  }

  setPaused(name, paused) {
    if (paused) this.paused.add(name);
    else this.paused.delete(name);
    this.emit('event', 'flow', this.flowDocument(this.flows.find((one) => one.name === name)));
  }

  taskDocument({ made, ms, lines, ...document }) {
    return document;
  }

  summary({ tasks, chunks, logs, made, done_before, ...document }) {
    return document;
  }

  flowDocument(flow) {
    const mine = [...this.runs.values()].filter((run) => run.flow === flow.name && !run.parent_id).slice(-20).reverse();
    const hour = 3_600_000;
    return {
      name: flow.name, description: flow.description, owner: flow.owner ?? null, tags: flow.tags, hash: hash(flow.name), deployed_at: iso(Date.now() - 3 * day), archived: false,
      paused: this.paused.has(flow.name), schedules: flow.schedules.map((one) => ({ ...one, next: iso(Math.ceil(Date.now() / hour) * hour + flow.name.length * hour) })), params: flow.params,
      tasks: flow.tasks.map(({ name, verb, needs }) => ({ name, verb, needs })), interval: flow.interval,
      last_runs: mine.map(({ id, state, created_at, started_at, finished_at, warning_count = 0, limit_rows = null }) => ({ id, state, created_at, started_at, finished_at, warning_count, limit_rows })),
    };
  }
}
