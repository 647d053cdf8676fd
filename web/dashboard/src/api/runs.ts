// A list of runs: read page by page as the reader scrolls, kept true by events.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, get, withQuery } from './client';
import { isFinal, type Page, type Run, type State } from './documents';
import { epoch, useLive } from './live';
import { useStore } from './store';

export interface RunsFilter { flow: string; states: State[]; limit: number }

interface Held { key: string; items: Run[]; next: string | null; error?: ApiError; read: boolean }

export interface RunsList {
  items: Run[];
  /** Nothing was read yet. */
  loading: boolean;
  /** Further pages exist. */
  more: boolean;
  error: ApiError | undefined;
  readMore: () => void;
  reload: () => void;
}

function matches(run: Run, filter: RunsFilter): boolean {
  return !run.parent_id && (filter.flow === '' || run.flow === filter.flow) && (filter.states.length === 0 || filter.states.includes(run.state));
}

/** The event's document over the held one; a final state never goes back. */
export function newer(old: Run, incoming: Run): Run {
  if (isFinal(old.state) && !isFinal(incoming.state)) return old;
  return { ...old, ...incoming };
}

function merged(items: Run[], incoming: Run[], filter: RunsFilter): Run[] {
  const byId = new Map(incoming.map((run) => [run.id, run]));
  const result = items.map((old) => {
    const change = byId.get(old.id);
    if (!change) return old;
    byId.delete(old.id);
    return newer(old, change);
  });
  // What is older than the last that was read belongs to a page that was not.
  const oldest = result[result.length - 1]?.id ?? 0;
  const fresh = [...byId.values()].filter((run) => run.id > oldest && matches(run, filter));
  return fresh.length > 0 ? [...fresh, ...result].sort((a, b) => b.id - a.id) : result;
}

export function useRuns(filter: RunsFilter): RunsList {
  const key = withQuery('runs', { flow: filter.flow, state: filter.states.join(','), limit: filter.limit });
  const generation = useStore(epoch);
  const [again, setAgain] = useState(0);
  const [held, setHeld] = useState<Held>({ key, items: [], next: null, read: false });
  const busy = useRef(false);
  /** What changed while the first page was on its way: the page may be older than it. */
  const missed = useRef<Run[] | undefined>(undefined);

  const read = (after: string | null, signal?: AbortSignal) =>
    get<Page<Run>>(withQuery(key, { after }), signal).then(
      (page) => setHeld((old) => {
        if (after === null || old.key !== key) return { key, items: merged(page.items, missed.current ?? [], filter), next: page.next, read: true };
        const known = new Set(old.items.map((run) => run.id));
        return { key, items: [...old.items, ...page.items.filter((run) => !known.has(run.id))], next: page.next, read: true };
      }),
      (failure: unknown) => {
        if (signal?.aborted) return;
        const error = failure instanceof ApiError ? failure : new ApiError(-1, String(failure), '');
        setHeld((old) => ({ ...(old.key === key ? old : { key, items: [], next: null }), read: true, error }));
      },
    );

  useEffect(() => {
    const stop = new AbortController();
    missed.current = [];
    void read(null, stop.signal).finally(() => {
      if (!stop.signal.aborted) missed.current = undefined;
    });
    return () => stop.abort();
  }, [key, generation, again]);

  useLive((events) => {
    const runs = events.filter((event) => event.type === 'run').map((event) => event.data as unknown as Run);
    missed.current?.push(...runs);
    if (runs.length > 0) setHeld((old) => (old.read && old.key === key ? { ...old, items: merged(old.items, runs, filter) } : old));
  });

  const mine = held.key === key ? held : { key, items: [], next: null, read: false, error: undefined };
  return {
    items: mine.items,
    loading: !mine.read,
    more: mine.next !== null && mine.next !== undefined,
    error: mine.error,
    readMore: () => {
      if (busy.current || !mine.next) return;
      busy.current = true;
      void read(mine.next).finally(() => { busy.current = false; });
    },
    reload: () => setAgain((count) => count + 1),
  };
}
