// Starts a flow: a field for each parameter, the interval where the flow has one.
import { useMemo, useState } from 'preact/hooks';
import { ApiError, post, randomKey } from '../api/client';
import type { Flow, ParamSpec, Run } from '../api/documents';
import { Dialog } from '../parts/dialog';
import { Icon } from '../parts/icon';
import { ErrorNotice } from '../parts/notices';
import { go } from '../router';
import { plain } from '../words/figures';

const kinds: Record<string, { type: 'text' | 'number' | 'date'; step?: string; hint: string }> = {
  text: { type: 'text', hint: 'text' },
  int: { type: 'number', step: '1', hint: 'whole number' },
  decimal: { type: 'text', hint: 'decimal number' },
  date: { type: 'date', hint: 'date' },
  timestamptz: { type: 'text', hint: 'time such as 2026-11-20T06:00:00Z' },
  connection: { type: 'text', hint: 'name of a connection' },
  list: { type: 'text', hint: 'values, separated by commas' },
};

function shownDefault(spec: ParamSpec): string {
  const value = spec.default_value;
  return Array.isArray(value) ? value.map(plain).join(', ') : plain(value);
}

function bounds(spec: ParamSpec): string {
  if (spec.min != null && spec.max != null) return `, ${spec.min} to ${spec.max}`;
  if (spec.min != null) return `, at least ${spec.min}`;
  return spec.max != null ? `, at most ${spec.max}` : '';
}

/** The value to send; undefined leaves the parameter to its default. */
export function paramValue(spec: ParamSpec, text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  if (spec.type === 'bool') return trimmed === 'true';
  if (spec.type === 'list') return trimmed.split(',').map((part) => part.trim()).filter((part) => part !== '');
  // A number beyond 2^53 would lose digits: it travels as text, which the daemon reads exactly.
  if (spec.type === 'int' && Number.isSafeInteger(Number(trimmed))) return Number(trimmed);
  return trimmed;
}

function ParamField({ spec }: { spec: ParamSpec }) {
  const name = `param.${spec.name}`;
  const byDefault = shownDefault(spec);
  const kind = kinds[spec.type] ?? { type: 'text' as const, hint: spec.type };
  const choices = spec.type === 'bool' ? ['true', 'false'] : spec.enumeration ?? [];
  return (
    <label class="field">
      <span class="field-label"><span class="mono">{spec.name}</span>{spec.required && <span class="required">required</span>}
        <span class="faint">{choices.length > 0 ? '' : kind.hint + bounds(spec)}</span></span>
      {choices.length > 0 ? (
        <select name={name} required={spec.required === true}>
          <option value="">{byDefault === '' ? (spec.required ? 'Choose' : 'none') : `${byDefault} (default)`}</option>
          {choices.map((choice) => <option key={choice} value={choice}>{choice}</option>)}
        </select>
      ) : (
        <input name={name} type={kind.type as 'text'} step={kind.step} min={spec.min ?? undefined} max={spec.max ?? undefined} required={spec.required === true && byDefault === ''}
          placeholder={byDefault === '' ? undefined : `${byDefault} (default)`} autocomplete="off" />
      )}
    </label>
  );
}

interface Answer extends Partial<Run> { run?: Run; outcome?: string }

export function StartForm({ flow, close }: { flow: Flow; close: () => void }) {
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  // One key for this form: a second click or a retry after a lost answer starts no second run.
  const attempt = useMemo(() => ({ key: randomKey(), sent: '' }), []);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? '').trim();
    const params: Record<string, unknown> = {};
    for (const spec of flow.params ?? []) {
      const value = paramValue(spec, text(`param.${spec.name}`));
      if (value !== undefined) params[spec.name] = value;
    }
    const body: Record<string, unknown> = { params };
    if (text('start') !== '' || text('end') !== '') body.interval = { start: text('start'), end: text('end') };
    if (text('limit_rows') !== '') body.limit_rows = Number(text('limit_rows'));
    const content = JSON.stringify(body);
    if (attempt.sent !== '' && attempt.sent !== content) attempt.key = randomKey();
    attempt.sent = content;
    setBusy(true);
    setError(undefined);
    try {
      const answer = await post<Answer>(`flows/${encodeURIComponent(flow.name)}/runs`, { ...body, idempotency_key: attempt.key });
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
        {(flow.params ?? []).map((spec) => <ParamField key={spec.name} spec={spec} />)}
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
