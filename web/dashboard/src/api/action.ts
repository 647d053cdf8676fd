// Something that a person asked for, while it is on its way and when it was refused.
import { useState } from 'preact/hooks';
import { ApiError } from './client';

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
