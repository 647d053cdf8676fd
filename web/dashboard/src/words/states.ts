// What a state is called and which shape it has: shape and word carry it, colour only repeats it.
import type { Run, State, TaskRun } from '../api/documents';
import { count } from './figures';

export type Shape = 'clock' | 'ring' | 'play' | 'again' | 'pause' | 'check' | 'cross' | 'bolt' | 'stop' | 'skip';

const known: Record<State, { shape: Shape; word: string }> = {
  scheduled: { shape: 'clock', word: 'Scheduled' },
  pending: { shape: 'ring', word: 'Pending' },
  running: { shape: 'play', word: 'Running' },
  retrying: { shape: 'again', word: 'Retrying' },
  paused: { shape: 'pause', word: 'Paused' },
  cancelling: { shape: 'stop', word: 'Cancelling' },
  completed: { shape: 'check', word: 'Completed' },
  failed: { shape: 'cross', word: 'Failed' },
  crashed: { shape: 'bolt', word: 'Crashed' },
  cancelled: { shape: 'stop', word: 'Cancelled' },
  skipped: { shape: 'skip', word: 'Skipped' },
};

export const allStates = Object.keys(known) as State[];
export const activeStates: State[] = ['running', 'retrying', 'pending', 'paused', 'cancelling', 'scheduled'];

export function shapeOf(state: string): Shape {
  return known[state as State]?.shape ?? 'ring';
}

/** The free name where the engine gave one ("WaitingForSlot" reads as "Waiting for slot"), else the state's own. */
export function wordFor(what: { state: State; state_name?: string | null }): string {
  const own = known[what.state]?.word ?? what.state;
  const free = what.state_name?.trim();
  if (!free) return own;
  const spaced = free.replaceAll('_', ' ').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** Milliseconds at work so far, undefined before the start. */
export function elapsed(what: Pick<Run | TaskRun, 'started_at' | 'finished_at'>, now: number): number | undefined {
  if (!what.started_at) return undefined;
  const end = what.finished_at ? Date.parse(what.finished_at) : now;
  return Math.max(0, end - Date.parse(what.started_at));
}

const triggers: Record<string, string> = {
  schedule: 'by schedule', api: 'by hand', cli: 'by command line', rerun: 're-run', backfill: 'backfill', flow: 'by another flow',
};

export function triggerInWords(trigger: string): string {
  return triggers[trigger] ?? trigger;
}

/** "trial, 100 rows" of a run with a row limit, else undefined. */
export function trialInWords(run: Pick<Run, 'limit_rows'>): string | undefined {
  const rows = run.limit_rows;
  return rows ? `trial, ${count(rows)} ${rows === 1 ? 'row' : 'rows'}` : undefined;
}
