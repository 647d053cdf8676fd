// What loads did to their tables: inserted, updated, unchanged, deleted, rejected, always in this order.
import type { Load } from '../api/documents';
import { compact, count, duration } from '../words/figures';

export const kinds = ['inserted', 'updated', 'unchanged', 'deleted', 'rejected'] as const;
export type Counts = Record<(typeof kinds)[number], number>;
const signs: Record<(typeof kinds)[number], string> =
  { inserted: '+', updated: '~', unchanged: '=', deleted: '−', rejected: '!' };

export function total(loads: Load[] | null | undefined): Counts | undefined {
  if (!loads || loads.length === 0) return undefined;
  const sum: Counts = { inserted: 0, updated: 0, unchanged: 0, deleted: 0, rejected: 0 };
  for (const load of loads) for (const kind of kinds) sum[kind] += load[kind] ?? 0;
  return sum;
}

/** One line: "+1,204 ~12 =58.1 k"; the words are in the tooltip and for screen readers. */
export function LoadLine({ counts }: { counts: Counts | undefined }) {
  if (!counts) return null;
  const words = kinds.map((kind) => `${count(counts[kind])} ${kind}`).join(', ');
  const shown = kinds.filter((kind) => counts[kind] > 0);
  return (
    <span class="load-line" title={words}>
      <span class="hidden-visually">{words}</span>
      <span aria-hidden="true">
        {shown.length === 0 ? <span class="faint">no rows</span>
          : shown.map((kind) => <span key={kind} class={`load-${kind}`}>{signs[kind]}{compact(counts[kind])}</span>)}
      </span>
    </span>
  );
}

/** The same in words, where there is room for them. */
export function LoadWords({ counts }: { counts: Counts | undefined }) {
  const shown = kinds.filter((kind) => (counts?.[kind] ?? 0) > 0);
  if (!counts || shown.length === 0) return <span>no rows</span>;
  return <span class="load-words">{shown.map((kind) => <span key={kind} class={`load-${kind}`}>{count(counts[kind])} {kind}</span>)}</span>;
}

/** What the signs of LoadLine mean. */
export function LoadLegend() {
  return <p class="load-legend" aria-hidden="true">{kinds.map((kind) => <span key={kind}><span class={`load-${kind}`}>{signs[kind]}</span> {kind}</span>)}</p>;
}

/** One line for each table, whichever chunk or task loaded it. */
export function byTable(loads: Load[]): Load[] {
  const tables = new Map<string, Load>();
  for (const load of loads) {
    const sum = tables.get(load.table);
    if (!sum) {
      tables.set(load.table, { ...load });
      continue;
    }
    for (const kind of kinds) sum[kind] += load[kind] ?? 0;
    sum.seconds += load.seconds ?? 0;
    sum.already_loaded &&= load.already_loaded;
  }
  return [...tables.values()];
}

export function LoadTable({ loads }: { loads: Load[] }) {
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Loaded tables">
      <table class="grid">
        <thead>
          <tr><th scope="col">Table</th>{kinds.map((kind) => <th key={kind} scope="col" class="number">{kind}</th>)}<th scope="col" class="number">time</th></tr>
        </thead>
        <tbody>
          {loads.map((load, index) => (
            <tr key={index}>
              <th scope="row"><span class="mono">{load.table.split('.').map((part, at) => (at === 0 ? part : [<wbr key={at} />, `.${part}`]))}</span>{load.already_loaded && <span class="tag" title="An earlier attempt had committed this batch">already loaded</span>}</th>
              {kinds.map((kind) => <td key={kind} class={`number ${load[kind] > 0 ? `load-${kind}` : 'faint'}`}>{count(load[kind])}</td>)}
              <td class="number">{load.seconds == null ? '–' : duration(load.seconds * 1000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
