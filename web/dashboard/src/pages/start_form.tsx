// Starts a flow: a field for each parameter, the interval where the flow has one.
import { useState } from 'preact/hooks';
import { useKeyFor } from '../api/action';
import { ApiError, post } from '../api/client';
import type { Flow, Run } from '../api/documents';
import { Dialog } from '../parts/dialog';
import { Icon } from '../parts/icon';
import { ErrorNotice } from '../parts/notices';
import { go } from '../router';
import { defaultOf, ParamField, paramsIn } from './param_fields';

interface Answer extends Partial<Run> { run?: Run; outcome?: string }

export function StartForm({ flow, close }: { flow: Flow; close: () => void }) {
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const keyFor = useKeyFor();

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? '').trim();
    const body: Record<string, unknown> = { params: paramsIn(form, flow.params ?? []) };
    if (text('start') !== '' || text('end') !== '') body.interval = { start: text('start'), end: text('end') };
    if (text('limit_rows') !== '') body.limit_rows = Number(text('limit_rows'));
    setBusy(true);
    setError(undefined);
    try {
      const answer = await post<Answer>(`flows/${encodeURIComponent(flow.name)}/runs`, { ...body, idempotency_key: keyFor(body) });
      const id = answer.id ?? answer.run?.id;
      close();
      go(id === undefined ? '/runs' : `/runs/${id}`);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(-1, String(failure), ''));
      setBusy(false);
    }
  };

  return (
    <Dialog title={`Start ${flow.name}`} close={close}>
      <form onSubmit={(event) => void submit(event as SubmitEvent)}>
        {flow.description && <p class="faint">{flow.description}</p>}
        {(flow.params ?? []).map((spec) => <ParamField key={spec.name} spec={spec} otherwise={defaultOf(spec)} />)}
        {flow.interval && (
          <fieldset class="interval">
            <legend>Interval <span class="faint">empty: the one its schedule would take now</span></legend>
            <label class="field"><span class="field-label">From <span class="faint">included</span></span><input name="start" type="date" /></label>
            <label class="field"><span class="field-label">To <span class="faint">excluded</span></span><input name="end" type="date" /></label>
          </fieldset>
        )}
        <details class="more">
          <summary>More options</summary>
          <label class="field"><span class="field-label">Row limit <span class="faint">a trial: loads into a scratch schema</span></span>
            <input name="limit_rows" type="number" min="1" step="1" placeholder="all rows" /></label>
        </details>
        {error && <ErrorNotice error={error} />}
        <div class="actions">
          <button type="button" class="button" onClick={close}>Cancel</button>
          <button type="submit" class="button button-strong" disabled={busy}><Icon name="start" size={13} />{busy ? 'Starting' : 'Start'}</button>
        </div>
      </form>
    </Dialog>
  );
}
