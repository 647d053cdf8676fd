// The flows, read once for all pages and kept true by events.
import { useEffect } from 'preact/hooks';
import { get, getAll } from './client';
import type { Flow, LastRun, Run, Span } from './documents';
import { useLive } from './live';
import { useResource, type Resource } from './resource';
import { Store } from './store';

/** undefined: not read yet. */
export const flowsRead = new Store<Flow[] | undefined>(undefined);

const keptRuns = 30;

export function withRun(flow: Flow, run: Run): Flow {
  const { id, state, created_at, started_at, finished_at, warning_count, limit_rows } = run;
  const bar: LastRun = { id, state, created_at, started_at, finished_at, warning_count, limit_rows };
  const others = (flow.last_runs ?? []).filter((old) => old.id !== run.id);
  return { ...flow, last_runs: [...others, bar].sort((a, b) => b.id - a.id).slice(0, keptRuns) };
}

/** Used once, by the frame around the pages. */
export function useFlows(): Resource<Flow[]> {
  const flows = useResource('flows', (signal) => getAll<Flow>('flows', signal));
  useLive((events) => {
    const runs = events.filter((event) => event.type === 'run').map((event) => event.data as unknown as Run).filter((run) => !run.parent_id);
    if (runs.length > 0)
      flows.change((old) => old.map((flow) => runs.filter((run) => run.flow === flow.name).reduce(withRun, flow)));
    if (events.some((event) => event.type === 'flow')) flows.reload();
  });
  useEffect(() => flowsRead.set(flows.data), [flows.data]);
  return flows;
}

/** Whether a flow cuts its runs into chunks: asked of its plan once, since runs do not say how many they have. */
const cut = new Map<string, Store<boolean>>();

export function isCut(flow: Flow | undefined): Store<boolean> {
  const key = flow?.interval ? `${flow.name} ${flow.hash}` : '';
  let known = cut.get(key);
  if (!known) {
    known = new Store(false);
    cut.set(key, known);
    const found = known;
    if (flow && key !== '')
      get<{ interval?: { chunk?: Span } | null }>(`flows/${encodeURIComponent(flow.name)}/plan`).then(
        ({ interval }) => found.set(Object.values(interval?.chunk ?? {}).some((part) => part > 0)),
        () => cut.delete(key),
      );
  }
  return known;
}

/** The zone in which the intervals of a flow have their midnights. */
export function zoneOf(flow: string, flows: Flow[] | undefined): string {
  return flows?.find((one) => one.name === flow)?.schedules[0]?.timezone || 'UTC';
}
