// How far something is: a task run by its slices or records, a run by its task runs.
import type { Progress, Run, RunDetail, State } from '../api/documents';
import { chunkCounts, chunksSaid } from '../words/chunks';
import { bytes, compact, count } from '../words/figures';
import { allStates } from '../words/states';

/** Between 0 and 1; undefined where the total is not known. */
export function fraction(progress: Progress | null | undefined): number | undefined {
  if (!progress) return undefined;
  const { slices_done = 0, slices_total = 0, records = 0, records_total = 0 } = progress;
  if (slices_total > 1 || (slices_total === 1 && records_total === 0)) return Math.min(1, slices_done / slices_total);
  if (records_total > 0) return Math.min(1, records / records_total);
  return undefined;
}

export function progressWords(progress: Progress): string[] {
  const words: string[] = [];
  if (progress.step) words.push(progress.step);
  if (progress.slices_total) words.push(`${count(progress.slices_done ?? 0)} of ${count(progress.slices_total)} slices`);
  if (progress.records) words.push(progress.records_total && (progress.slices_total ?? 0) <= 1 ? `${compact(progress.records)} of ${compact(progress.records_total)} records` : `${compact(progress.records)} records`);
  if (progress.pages) words.push(`${compact(progress.pages)} pages`);
  if (progress.requests) words.push(`${compact(progress.requests)} requests`);
  if (progress.bytes) words.push(bytes(progress.bytes));
  return words;
}

export function ProgressBar({ value, label }: { value: number | undefined; label: string }) {
  const percent = value === undefined ? undefined : Math.round(value * 100);
  return (
    <span class={`progress${percent === undefined ? ' progress-open' : ''}`} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100}
      aria-valuenow={percent}>
      <span class="progress-fill" style={percent === undefined ? {} : { width: `${percent}%` }} />
    </span>
  );
}

export type Counts = Partial<Record<State, number>> | null;

/** Of a run in a list: of its chunks where its message tells of them, else of its task runs. */
export function runCounts(run: Run): Counts {
  return chunksSaid(run) ?? run.counts;
}

/** The states of the parts of a run: its chunks where it is cut, those to come included, else its task runs. */
export function countsOf(run: RunDetail): Counts {
  if (run.chunks.length > 0) return chunkCounts(run, run.chunks);
  if (run.tasks.length === 0) return runCounts(run);
  const counts: Partial<Record<State, number>> = {};
  for (const task of run.tasks) counts[task.state] = (counts[task.state] ?? 0) + 1;
  return counts;
}

/** The share of each state among the task runs, with the words in the tooltip. */
export function CountsBar({ counts, otherwise = 'waiting for its first task' }: { counts: Counts; otherwise?: string }) {
  const present = allStates.filter((state) => (counts?.[state] ?? 0) > 0);
  if (!counts || present.length === 0) return <span class="faint ellipsis" title={otherwise}>{otherwise}</span>;
  const sum = present.reduce((all, state) => all + (counts[state] ?? 0), 0);
  const done = (counts.completed ?? 0) + (counts.skipped ?? 0);
  const words = present.map((state) => `${count(counts[state])} ${state}`).join(', ');
  const order: State[] = ['completed', 'skipped', 'failed', 'crashed', 'cancelled', 'running', 'retrying', 'cancelling', 'paused', 'pending', 'scheduled'];
  return (
    <span class="counts" title={words}>
      <span class="counts-bar" aria-hidden="true">
        {order.filter((state) => present.includes(state)).map((state) => (
          <span key={state} class={`counts-part state-${state}`} style={{ flexGrow: String(counts[state] ?? 0) }} />
        ))}
      </span>
      <span class="counts-words"><span aria-hidden="true">{count(done)} of {count(sum)}</span><span class="hidden-visually">{words}</span></span>
    </span>
  );
}
