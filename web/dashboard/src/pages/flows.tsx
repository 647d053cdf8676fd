// All flows: what they are, when they run, how the last runs went, and a button that starts one.
import { useMemo, useState } from 'preact/hooks';
import type { Flow } from '../api/documents';
import { isFailure } from '../api/documents';
import type { Resource } from '../api/resource';
import { useRuns } from '../api/runs';
import { Icon } from '../parts/icon';
import { EmptyState, ErrorNotice, Skeleton } from '../parts/notices';
import { RunBars } from '../parts/run_bars';
import { RunLine } from '../parts/run_line';
import { AttentionTags, StateBadge, TrialTag, WarningsTag } from '../parts/state';
import { Ago } from '../parts/time';
import { changeQuery, Link, usePlace } from '../router';
import { scheduleInWords } from '../words/schedule';
import { StartForm } from './start_form';

export function Schedules({ flow }: { flow: Flow }) {
  if (flow.schedules.length === 0) return <span class="faint">No schedule: starts by hand</span>;
  return (
    <>
      {flow.schedules.map((schedule, index) => {
        const { text, title } = scheduleInWords(schedule);
        const failures = schedule.paused_after_failures ?? 0;
        const held = schedule.paused_in_file ? 'paused (file)'
          : failures > 0 ? `paused (${failures} ${failures === 1 ? 'failure' : 'failures'})`
          : flow.paused || schedule.paused ? 'paused' : schedule.message ?? undefined;
        return (
          <span class="schedule" key={index}>
            <span title={title}>{text}</span>
            {held ? <span class="tag tag-held">{held}</span> : schedule.next && <span class="faint"><Ago at={schedule.next} prefix="next " /></span>}
          </span>
        );
      })}
    </>
  );
}

function FlowRow({ flow, start }: { flow: Flow; start: () => void }) {
  const runs = [...(flow.last_runs ?? [])].sort((a, b) => b.id - a.id);
  const last = runs[0];
  return (
    <li class="row flow-row">
      <div class="flow-main">
        <div class="flow-title">
          <Link href={`/flows/${flow.name}`} class="flow-name" data-row>{flow.name}</Link>
          {flow.demo && <span class="tag" title="It came with Millrace: millrace up --demo">demo</span>}
          {(flow.tags ?? []).map((tag) => <span class="tag" key={tag}>{tag}</span>)}
          <AttentionTags of={flow} />
        </div>
        <p class="flow-description">{flow.description}</p>
      </div>
      <div class="flow-when"><Schedules flow={flow} /></div>
      <div class="flow-last">
        <RunBars runs={runs} flow={flow.name} />
        {last && <Link href={`/runs/${last.id}`} class="flow-last-run"><StateBadge of={last} /><TrialTag of={last} /><WarningsTag of={last} /><Ago at={last.finished_at ?? last.created_at} /></Link>}
      </div>
      <button type="button" class="button" data-shortcut="s" onClick={start} aria-label={`Start ${flow.name}`}>
        <Icon name="start" size={13} />Start
      </button>
    </li>
  );
}

function LatestRuns() {
  const { items, loading } = useRuns({ flow: '', states: [], limit: 10 });
  return (
    <section class="latest" aria-labelledby="latest">
      <div class="section-head"><h2 id="latest">Latest runs</h2><Link href="/runs">All runs</Link></div>
      {loading ? <Skeleton rows={6} height={54} />
        : items.length === 0 ? <p class="faint pad">No run yet. Start a flow and watch it here.</p>
        : <ul class="card list">{items.slice(0, 10).map((run) => <li key={run.id} class="row"><RunLine run={run} /></li>)}</ul>}
    </section>
  );
}

export function FlowsPage({ flows }: { flows: Resource<Flow[]> }) {
  const { query } = usePlace();
  const wanted = (query.get('q') ?? '').toLowerCase();
  const [starting, setStarting] = useState<Flow>();
  const live = useMemo(() => (flows.data ?? []).filter((flow) => !flow.archived), [flows.data]);
  const shown = live.filter((flow) => [flow.name, flow.description ?? '', ...(flow.tags ?? [])].some((text) => text.toLowerCase().includes(wanted)));
  const failing = live.filter((flow) => {
    const last = [...(flow.last_runs ?? [])].sort((a, b) => b.id - a.id).find((run) => !run.limit_rows); // a trial loads nothing
    return last !== undefined && isFailure(last.state);
  });

  return (
    <div class="page flows-page">
      <section aria-labelledby="flows">
        <div class="section-head">
          <h1 id="flows">Flows</h1>
          {flows.data && <span class="faint">{live.length}{failing.length > 0 && <>, <span class="state-failed">{failing.length} failed last</span></>}</span>}
          <label class="search"><span class="hidden-visually">Filter flows</span><Icon name="search" />
            <input type="search" placeholder="Filter" data-search value={query.get('q') ?? ''} onInput={(event) => changeQuery({ q: event.currentTarget.value })} /></label>
        </div>
        {flows.error && <ErrorNotice error={flows.error} retry={flows.reload} />}
        {!flows.data ? !flows.error && <Skeleton rows={5} height={86} />
          : live.length === 0 ? <NoFlows />
          : shown.length === 0 ? <EmptyState title="No flow matches"><p><button type="button" class="button" onClick={() => changeQuery({ q: null })}>Clear the filter</button></p></EmptyState>
          : <ul class="card list">{shown.map((flow) => <FlowRow key={flow.name} flow={flow} start={() => setStarting(flow)} />)}</ul>}
      </section>
      {live.length > 0 && <LatestRuns />}
      {starting && <StartForm flow={starting} close={() => setStarting(undefined)} />}
    </div>
  );
}

const firstFlow = `flow: hello
description: My first flow

tasks:
  greet:
    run: echo "hello from Millrace"
`;

function NoFlows() {
  return (
    <EmptyState title="No flows yet">
      <p>A flow is a YAML file in a folder that <code>millrace.yaml</code> lists under <code>flows:</code>. Save this as <code>hello.yaml</code> there,</p>
      <pre tabIndex={0} aria-label="An example flow"><code>{firstFlow}</code></pre>
      <p>then run <code>millrace deploy</code>. It appears here by itself.</p>
    </EmptyState>
  );
}
