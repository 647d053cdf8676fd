// How far a run in chunks is. A chunk has its run when its turn comes, and one that an earlier run did needs none: what the
// runs of its chunks do not say stands in its message.
import { isFinal, type Run, type State } from '../api/documents';

type Whole = Pick<Run, 'state' | 'message'>;
type Part = Pick<Run, 'state' | 'chunk'>;
type Counts = Partial<Record<State, number>>;

interface Said { done: number; failed: number; of: number; /** One after the other. */ inOrder: boolean }

function said(run: Whole): Said | undefined {
  if (isFinal(run.state)) return undefined;
  // Why a run is late may stand before it.
  const at = /(?:^|; )chunk (\d+) of (\d+)$/.exec(run.message ?? '');
  if (at) return { done: Number(at[1]) - 1, failed: 0, of: Number(at[2]), inOrder: true };
  const done = /(?:^|; )(\d+) of (\d+) chunks done(?:, (\d+) failed)?$/.exec(run.message ?? '');
  return done ? { done: Number(done[1]), failed: Number(done[3] ?? 0), of: Number(done[2]), inOrder: false } : undefined;
}

/** By its message alone, as lists have it; undefined where that says nothing of chunks. How many chunks of a backfill are under way it leaves open. */
export function chunksSaid(run: Whole): Counts | undefined {
  const told = said(run);
  if (!told) return undefined;
  const running = told.inOrder ? 1 : 0;
  return { completed: told.done, failed: told.failed, running, pending: told.of - told.done - told.failed - running };
}

/** How many chunks need no run, since an earlier run did them: those that miss among the others. `parts` in their order. */
export function doneBefore(run: Whole, parts: Part[]): number {
  const last = parts[parts.length - 1]?.chunk;
  if (!last) return 0;
  const told = said(run);
  if (told && !told.inOrder) return Math.max(0, told.done - parts.filter((part) => part.state === 'completed').length);
  // Whoever came to the end had every chunk that was left; others may have stopped before.
  const cameToTheEnd = run.state === 'completed' || /^\d+ of \d+ chunks did not complete; /.test(run.message ?? '');
  return Math.max(0, (cameToTheEnd ? last.of : last.number) - parts.length);
}

/** All its chunks, those to come and those done before included. */
export function chunkCounts(run: Whole, parts: Part[]): Counts {
  const counts: Counts = {};
  for (const part of parts) counts[part.state] = (counts[part.state] ?? 0) + 1;
  counts.completed = (counts.completed ?? 0) + doneBefore(run, parts);
  const known = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const of = parts[parts.length - 1]?.chunk?.of ?? known;
  counts.pending = (counts.pending ?? 0) + Math.max(0, of - known);
  return counts;
}

/** "7 of 10 completed, 3 were done before" */
export function chunksInWords(run: Whole, parts: Part[]): string {
  const before = doneBefore(run, parts);
  const completed = parts.filter((part) => part.state === 'completed').length;
  const words = `${completed} of ${parts[0]?.chunk?.of ?? parts.length} completed`;
  return before > 0 ? `${words}, ${before} ${before === 1 ? 'was' : 'were'} done before` : words;
}
