// Something that a person asked for, while it is on its way and when it was refused.
import { useMemo, useState } from 'preact/hooks';
import { ApiError, randomKey } from './client';

export interface Action { error: ApiError | undefined; busy: boolean; act: (what: () => Promise<void>) => void }

export function useAction(): Action {
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const act = (what: () => Promise<void>) => {
    setBusy(true);
    setError(undefined);
    what().catch((failure: unknown) => setError(failure instanceof ApiError ? failure : new ApiError(-1, String(failure), ''))).finally(() => setBusy(false));
  };
  return { error, busy, act };
}

/** The idempotency key of what a form sends: a second click or a retry after a lost answer starts no second run, other content does. */
export function useKeyFor(): (content: unknown) => string {
  const last = useMemo(() => ({ key: randomKey(), sent: '' }), []);
  return (content) => {
    const text = JSON.stringify(content);
    if (last.sent !== '' && last.sent !== text) last.key = randomKey();
    last.sent = text;
    return last.key;
  };
}
