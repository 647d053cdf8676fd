// Asks for an API key when the daemon wants one.
import { useState } from 'preact/hooks';
import { ApiError, get, setApiKey } from '../api/client';
import { ErrorNotice } from '../parts/notices';

export function KeyPage({ accepted }: { accepted: () => void }) {
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const key = new FormData(event.target as HTMLFormElement).get('key');
    setApiKey(String(key ?? '').trim());
    setBusy(true);
    setError(undefined);
    try {
      await get('flows?limit=1');
      accepted();
    } catch (failure) {
      setError(failure as ApiError);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="key-form card" onSubmit={(event) => void submit(event as SubmitEvent)}>
      <h1>This daemon wants a key</h1>
      <p>Make one on its machine with <code>millrace keys create --scope trigger NAME</code>. It is kept for this tab only.</p>
      <label class="field"><span class="field-label">API key</span>
        <input name="key" type="password" autocomplete="off" required /></label>
      {error && <ErrorNotice error={error} />}
      <div class="actions"><button type="submit" class="button button-strong" disabled={busy}>Use this key</button></div>
    </form>
  );
}
