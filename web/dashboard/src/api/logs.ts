// The log lines of a run or one of its tasks, read on as they are written.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, get, withQuery } from './client';
import type { LogLine, LogPage } from './documents';
import { epoch, useLive } from './live';
import { useStore } from './store';

export interface Logs {
  lines: LogLine[];
  /** Lines that were dropped from the beginning because there are too many. */
  dropped: number;
  /** Nothing will follow. */
  end: boolean;
  loading: boolean;
  error: ApiError | undefined;
}

const most = 100_000;
/** Lines are files on the daemon's side: not each has its event. */
const pollMs = 1000;
const empty: Logs = { lines: [], dropped: 0, end: false, loading: true, error: undefined };

/** `search`: only lines with this text; the daemon looks for it. */
export function useLogs(runId: number, task: string | null, search = ''): Logs {
  const [logs, setLogs] = useState<Logs>(empty);
  const nudge = useRef<() => void>(() => undefined);
  const generation = useStore(epoch);

  useEffect(() => {
    const stop = new AbortController();
    let after: string | number | null = null;
    let timer: number | undefined;
    let busy = false;
    let asked = false;
    let ended = false;
    setLogs(empty);

    const later = (ms: number) => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => void read(), ms);
    };

    const read = async (): Promise<void> => {
      if (ended || stop.signal.aborted) return;
      if (busy) {
        asked = true;
        return;
      }
      busy = true;
      asked = false;
      try {
        const page: LogPage = await get<LogPage>(withQuery(`runs/${runId}/logs`, { task, after, limit: 1000, search: search === '' ? null : search }), stop.signal);
        after = page.next ?? after;
        ended = page.end;
        setLogs((old) => {
          const lines = page.items.length === 0 ? old.lines : [...old.lines, ...page.items];
          const over = Math.max(0, lines.length - most);
          return { lines: over > 0 ? lines.slice(over) : lines, dropped: old.dropped + over, end: page.end, loading: false, error: undefined };
        });
        if (!ended) later(page.items.length > 0 ? 50 : asked ? 250 : pollMs);
      } catch (failure) {
        if (stop.signal.aborted) return;
        const error = failure instanceof ApiError ? failure : new ApiError(-1, String(failure), '');
        setLogs((old) => ({ ...old, loading: false, error }));
        if (error.status === 0 || error.status >= 500) later(pollMs);
      } finally {
        busy = false;
      }
    };
    nudge.current = () => later(150);
    if (search === '') void read();
    else later(300); // more of the word is being typed
    return () => {
      window.clearTimeout(timer);
      stop.abort();
    };
  }, [runId, task, search]);

  useEffect(() => nudge.current(), [generation]);
  useLive((events) => {
    if (events.some(({ type, data }) => (type === 'log' || type === 'task_run') && data.run_id === runId && (task === null || data.task === task))) nudge.current();
  });
  return logs;
}
