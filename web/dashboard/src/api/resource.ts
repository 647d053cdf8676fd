// A document that a page reads, shows while it is read again, and changes by events.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from './client';
import { epoch } from './live';
import { useStore } from './store';

export interface Resource<T> {
  /** The newest that was read; stays while it is read again. */
  data: T | undefined;
  error: ApiError | undefined;
  reload: () => void;
  change: (how: (old: T) => T) => void;
}

/** Reads when `key` changes, after a re-connection and on reload(). `key` null: nothing to read yet. */
export function useResource<T>(key: string | null, read: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [held, setHeld] = useState<{ key: string | null; data?: T; error?: ApiError }>({ key });
  const [again, setAgain] = useState(0);
  const generation = useStore(epoch);
  const latest = useRef(read);
  latest.current = read;
  /** Changes that came while a read was on its way, which may be older than they are: made again on what it brings. */
  const missed = useRef<((old: T) => T)[] | undefined>(undefined);

  useEffect(() => {
    if (key === null) return undefined;
    const stop = new AbortController();
    missed.current = [];
    latest.current(stop.signal).then(
      (data) => {
        if (stop.signal.aborted) return;
        setHeld({ key, data: (missed.current ?? []).reduce((old, how) => how(old), data) });
        missed.current = undefined;
      },
      (failure: unknown) => {
        if (stop.signal.aborted) return;
        missed.current = undefined;
        const error = failure instanceof ApiError ? failure : new ApiError(-1, String(failure), 'Load the page again.');
        setHeld((old) => (old.key === key && old.data !== undefined ? { key, data: old.data, error } : { key, error }));
      },
    );
    return () => stop.abort();
  }, [key, again, generation]);

  const reload = useCallback(() => setAgain((count) => count + 1), []);
  const change = useCallback(
    (how: (old: T) => T) => {
      missed.current?.push(how);
      setHeld((old) => (old.data === undefined ? old : { ...old, data: how(old.data) }));
    },
    [],
  );
  const mine = held.key === key ? held : { key, data: undefined, error: undefined };
  return { data: mine.data, error: mine.error, reload, change };
}
