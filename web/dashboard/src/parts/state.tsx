// A state as shape, word and colour.
import type { Flow, Run, State } from '../api/documents';
import { count } from '../words/figures';
import { shapeOf, trialInWords, wordFor } from '../words/states';
import { Icon } from './icon';

type Stateful = { state: State; state_name?: string | null; message?: string | null };

export function StateBadge({ of, big = false }: { of: Stateful; big?: boolean }) {
  return (
    <span class={`badge state-${of.state}${big ? ' badge-big' : ''}`} title={of.message ?? undefined}>
      <Icon name={shapeOf(of.state)} size={big ? 18 : 15} />
      <span class="badge-word">{wordFor(of)}</span>
    </span>
  );
}

/** The shape alone, with the word for screen readers and on hover. */
export function StateMark({ of, size = 16 }: { of: Stateful; size?: number }) {
  return (
    <span class={`mark state-${of.state}`} title={wordFor(of)}>
      <Icon name={shapeOf(of.state)} size={size} />
      <span class="hidden-visually">{wordFor(of)}</span>
    </span>
  );
}

/** A run with a row limit, which left the tables alone. */
export function TrialTag({ of }: { of: Pick<Run, 'limit_rows'> }) {
  const words = trialInWords(of);
  return words ? <span class="tag" title={words}>trial</span> : null;
}

/** What somebody should look at although it stopped nothing: "2 warnings", beside the state. */
export function WarningsTag({ of }: { of: Pick<Run, 'warning_count' | 'warnings'> }) {
  const listed = Array.isArray(of.warnings) ? of.warnings : [];
  const number = of.warning_count ?? (typeof of.warnings === 'number' ? of.warnings : listed.length);
  if (number <= 0) return null;
  return <span class="tag tag-warning" title={listed.map((one) => one.message).join('\n') || undefined}>{count(number)} {number === 1 ? 'warning' : 'warnings'}</span>;
}

/** What is not as the flow expects: one tag for each kind, "late", "stale", "rows out of range". */
export function AttentionTags({ of }: { of: Pick<Flow, 'attention'> }) {
  const kinds = [...new Set((of.attention ?? []).map((one) => one.kind))];
  return (
    <>
      {kinds.map((kind) => (
        <span class="tag tag-warning" key={kind} title={of.attention?.filter((one) => one.kind === kind).map((one) => one.message).join('\n')}>{kind.replaceAll('_', ' ')}</span>
      ))}
    </>
  );
}
