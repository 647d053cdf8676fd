// A state as shape, word and colour.
import type { State } from '../api/documents';
import { shapeOf, wordFor } from '../words/states';
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
