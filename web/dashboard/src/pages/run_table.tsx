// Runs as a table of any length; a run's chunks open as rows under it.
import { useState } from 'preact/hooks';
import { get } from '../api/client';
import { isFinal, type Flow, type Run, type RunDetail, type State } from '../api/documents';
import { flowsRead, isCut } from '../api/flows';
import { useLive } from '../api/live';
import { newer, useRuns } from '../api/runs';
import { useStore } from '../api/store';
import { Icon } from '../parts/icon';
import { LoadLine, total } from '../parts/loads';
import { EmptyState, ErrorNotice, Skeleton } from '../parts/notices';
import { CountsBar, runCounts } from '../parts/progress';
import { StateBadge, WarningsTag } from '../parts/state';
import { Ago, Elapsed } from '../parts/time';
import { VirtualRows } from '../parts/virtual_rows';
import { useNarrow } from '../parts/narrow';
import { Link } from '../router';
import { intervalText } from '../words/figures';
import { trialInWords, triggerInWords } from '../words/states';

interface RowProps { run: Run; flow: Flow | undefined; open: boolean; toggle: () => void; showFlow: boolean; withInterval: boolean }

function RunRow({ run, flow, open, toggle, showFlow, withInterval }: RowProps) {
  // A backfill cuts what its flow does not.
  const cut = (useStore(isCut(flow)) || Boolean(run.chunk_runs) || run.trigger === 'backfill') && !run.parent_id;
  const zone = flow?.schedules[0]?.timezone || 'UTC';
  const trial = trialInWords(run);
  const trigger = <>{triggerInWords(run.trigger)}{run.rerun_of ? ` of #${run.rerun_of}` : ''}{trial && <span class="run-trial">{trial}</span>}</>;
  return (
    <div class={`row run-row${run.parent_id ? ' run-row-chunk' : ''}`}>
      <span class="run-open">{cut && (
        <button type="button" class="icon-button" aria-expanded={open} aria-label={`Chunks of run ${run.id}`} onClick={toggle}><Icon name={open ? 'down' : 'right'} size={13} /></button>)}</span>
      <span class="run-state"><StateBadge of={run} /><WarningsTag of={run} /></span>
      <Link href={`/runs/${run.id}`} class="run-name" data-row>
        <span class="run-id">#{run.id}</span>
        {run.chunk ? <span>chunk {run.chunk.number} of {run.chunk.of}</span> : showFlow ? <span class="run-flow">{run.flow}</span> : <span>{trigger}</span>}
      </Link>
      {withInterval && <span class="run-interval faint">{run.interval ? intervalText(run.interval, zone) : ''}</span>}
      {showFlow && <span class="run-trigger faint">{run.chunk ? '' : trigger}</span>}
      <span class="run-result">{isFinal(run.state)
        ? run.loads && run.loads.length > 0 ? <LoadLine counts={total(run.loads)} /> : <span class="faint run-message" title={run.message ?? undefined}>{run.message}</span>
        : <CountsBar counts={runCounts(run)} otherwise={run.message || 'at work'} />}</span>
      <span class="run-time"><Elapsed of={run} /></span>
      <span class="run-ago faint"><Ago at={run.started_at ?? run.scheduled_for ?? run.created_at} /></span>
    </div>
  );
}

interface Props { flow: string; states: State[]; filtered: boolean; clear: () => void; showFlow?: boolean }

export function RunTable({ flow, states, filtered, clear, showFlow = true }: Props) {
  const runs = useRuns({ flow, states, limit: 100 });
  const flows = useStore(flowsRead);
  const narrow = useNarrow();
  const [chunks, setChunks] = useState<Record<number, Run[]>>({});

  useLive((events) => {
    const changed = events.filter((event) => event.type === 'run').map((event) => event.data as unknown as Run).filter((run) => run.parent_id && chunks[run.parent_id]);
    if (changed.length === 0) return;
    setChunks((old) => {
      const next = { ...old };
      for (const run of changed) {
        const parent = run.parent_id ?? 0;
        const known = next[parent] ?? [];
        next[parent] = known.some((chunk) => chunk.id === run.id) ? known.map((chunk) => (chunk.id === run.id ? newer(chunk, run) : chunk)) : [...known, run];
      }
      return next;
    });
  });

  const toggle = (run: Run) => {
    if (chunks[run.id]) setChunks(({ [run.id]: _, ...others }) => others);
    else void get<RunDetail>(`runs/${run.id}`).then((detail) => setChunks((old) => ({ ...old, [run.id]: detail.chunks ?? [] })), () => undefined);
  };

  if (runs.loading) return <Skeleton rows={12} height={narrow ? 74 : 44} />;
  if (runs.items.length === 0) {
    if (runs.error) return <ErrorNotice error={runs.error} retry={runs.reload} />;
    return filtered
      ? <EmptyState title="No run matches"><p><button type="button" class="button" onClick={clear}>Clear the filters</button></p></EmptyState>
      : <EmptyState title="No runs yet"><p>Start one with the button on <Link href="/">a flow</Link>, or with <code>millrace run {flow || 'FLOW'}</code>. Scheduled runs appear here by themselves.</p></EmptyState>;
  }
  const rows = runs.items.flatMap((run) => [run, ...(chunks[run.id] ?? [])]);
  const withInterval = runs.items.some((run) => run.interval);
  return (
    <>
      {runs.error && <ErrorNotice error={runs.error} retry={runs.reload} />}
      <div class="card run-table">
        <VirtualRows items={rows} rowHeight={narrow ? 74 : 44} label={`Runs, ${runs.items.length}${runs.more ? ' or more' : ''}`} keyOf={(run) => run.id} onEnd={runs.readMore}
          row={(run) => (
            <RunRow run={run} flow={flows?.find((one) => one.name === run.flow)} showFlow={showFlow} withInterval={withInterval} open={chunks[run.id] !== undefined}
              toggle={() => toggle(run)} />
          )} />
      </div>
    </>
  );
}
