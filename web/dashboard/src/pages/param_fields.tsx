// A field for each parameter of a flow, by its type.
import type { ParamSpec } from '../api/documents';
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

/** What a field that is left empty stands for: "missing (default)"; empty where there is nothing. */
function shown(value: unknown, word: string): string {
  const text = Array.isArray(value) ? value.map(plain).join(', ') : plain(value);
  return text === '' ? '' : `${text} (${word})`;
}

export const defaultOf = (spec: ParamSpec): string => shown(spec.default_value, 'default');

/** Of a run that is repeated: its own value stands; a parameter that it did not have has its default. */
export function keptOf(spec: ParamSpec, params: Record<string, unknown> | null): string {
  return params && spec.name in params ? shown(params[spec.name], 'as it was') : defaultOf(spec);
}

function bounds(spec: ParamSpec): string {
  if (spec.min != null && spec.max != null) return `, ${spec.min} to ${spec.max}`;
  if (spec.min != null) return `, at least ${spec.min}`;
  return spec.max != null ? `, at most ${spec.max}` : '';
}

/** The value to send; undefined leaves the parameter as it is otherwise. */
function paramValue(spec: ParamSpec, text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  if (spec.type === 'bool') return trimmed === 'true';
  if (spec.type === 'list') return trimmed.split(',').map((part) => part.trim()).filter((part) => part !== '');
  // A number beyond 2^53 would lose digits: it travels as text, which the daemon reads exactly.
  if (spec.type === 'int' && Number.isSafeInteger(Number(trimmed))) return Number(trimmed);
  return trimmed;
}

/** What the form says, by name, without what it leaves empty. */
export function paramsIn(form: FormData, specs: ParamSpec[]): Record<string, unknown> {
  const params: Record<string, unknown> = {};
  for (const spec of specs) {
    const value = paramValue(spec, String(form.get(`param.${spec.name}`) ?? ''));
    if (value !== undefined) params[spec.name] = value;
  }
  return params;
}

/** `otherwise`: what holds where it is left empty, as defaultOf or keptOf says it. */
export function ParamField({ spec, otherwise }: { spec: ParamSpec; otherwise: string }) {
  const name = `param.${spec.name}`;
  const kind = kinds[spec.type] ?? { type: 'text' as const, hint: spec.type };
  const needed = spec.required === true && otherwise === '';
  const choices = spec.type === 'bool' ? ['true', 'false'] : spec.enumeration ?? [];
  return (
    <label class="field">
      <span class="field-label"><span class="mono">{spec.name}</span>{needed && <span class="required">required</span>}
        <span class="faint">{choices.length > 0 ? '' : kind.hint + bounds(spec)}{kind.type === 'date' && otherwise && `, ${otherwise}`}</span></span>
      {choices.length > 0 ? (
        <select name={name} required={needed}>
          <option value="">{otherwise || (spec.required ? 'Choose' : 'none')}</option>
          {choices.map((choice) => <option key={choice} value={choice}>{choice}</option>)}
        </select>
      ) : (
        <input name={name} type={kind.type as 'text'} step={kind.step} min={spec.min ?? undefined} max={spec.max ?? undefined} required={needed}
          placeholder={otherwise || undefined} autocomplete="off" />
      )}
    </label>
  );
}
