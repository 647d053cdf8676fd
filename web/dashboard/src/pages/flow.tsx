// One flow: its schedules, parameters, tasks and runs.
import { useState } from 'preact/hooks';
import { ApiError, get, patch } from '../api/client';
import type { Flow } from '../api/documents';
import { useLive } from '../api/live';
import { useResource, type Resource } from '../api/resource';
import { Icon } from '../parts/icon';
import { EmptyState, ErrorNotice, Skeleton } from '../parts/notices';
import { Ago } from '../parts/time';
import { Link } from '../router';
import { plain } from '../words/figures';
import { Graph } from './graph';
import { RunTable } from './run_table';
import { Schedules } from './flows';
import { StartForm } from './start_form';

function Params({ flow }: { flow: Flow }) {
  if ((flow.params ?? []).length === 0) return null;
  return (
    <section aria-labelledby="params">
      <h2 id="params">Parameters</h2>
      <dl class="facts">
        {flow.params.map((spec) => (
          <div key={spec.name}><dt class="mono">{spec.name}</dt>
            <dd>{spec.type}{spec.default_value == null ? '' : ` = ${plain(spec.default_value)}`}{(spec.enumeration ?? []).length > 0 && <span class="faint"> ({spec.enumeration?.join(', ')})</span>}</dd></div>
        ))}
      </dl>
    </section>
  );
}

export function FlowPage({ name, flows }: { name: string; flows: Resource<Flow[]> }) {
  const own = useResource(`flows/${name}`, (signal) => get<Flow>(`flows/${encodeURIComponent(name)}`, signal));
  const [starting, setStarting] = useState(false);
  const [error, setError] = useState<ApiError>();
  useLive((events) => {
    if (events.some(({ type, data }) => type === 'flow' && data.name === name)) own.reload();
  });
  const flow = own.data;
  if (!flow) {
    if (own.error?.status === 404) return <EmptyState title={`No flow is called ${name}`}><p><Link href="/">See all flows</Link></p></EmptyState>;
    return <div class="page">{own.error ? <ErrorNotice error={own.error} retry={own.reload} /> : <Skeleton rows={6} height={60} />}</div>;
  }
  const held = flow.paused || flow.schedules.some((schedule) => (schedule.paused_after_failures ?? 0) > 0);
  const hold = async () => {
    setError(undefined);
    try {
      await patch(`schedules/${encodeURIComponent(name)}`, { paused: !held });
      own.reload();
      flows.reload();
    } catch (failure) {
      setError(failure as ApiError);
    }
  };
  return (
    <div class="page flow-page">
      <header class="page-head">
        <div>
          <p class="crumbs"><Link href="/">Flows</Link></p>
          <h1>{flow.name}{flow.archived && <span class="tag">archived</span>}</h1>
          <p class="lead">{flow.description}</p>
          {(flow.attention ?? []).map((one) => (
            <p class="attention" key={`${one.expectation} ${one.message}`}><span class="tag tag-warning">{one.kind.replaceAll('_', ' ')}</span> {one.run_id ? <Link href={`/runs/${one.run_id}`}>{one.message}</Link> : one.message}</p>
          ))}
          <p class="flow-facts">
            <Schedules flow={flow} />
            {flow.owner && <span class="faint">owner {flow.owner}</span>}
            <span class="faint" title={`plan ${flow.hash}`}><Ago at={flow.deployed_at} prefix="deployed " /></span>
          </p>
        </div>
        <div class="actions">
          {flow.schedules.length > 0 && <button type="button" class="button" onClick={() => void hold()}><Icon name={held ? 'play' : 'pause'} size={14} />{held ? 'Resume schedule' : 'Pause schedule'}</button>}
          {!flow.archived && <button type="button" class="button button-strong" data-shortcut="s" onClick={() => setStarting(true)}><Icon name="start" size={13} />Start</button>}
        </div>
      </header>
      {error && <ErrorNotice error={error} />}
      <div class="flow-body">
        <div class="flow-side">
          <section aria-labelledby="tasks"><h2 id="tasks">Tasks</h2>
            <div class="card"><Graph label={`Tasks of ${name}`} nodes={flow.tasks.map((task) => ({ name: task.name, verb: task.verb, needs: task.needs ?? [] }))} /></div></section>
          <Params flow={flow} />
        </div>
        <section class="flow-runs" aria-labelledby="runs"><h2 id="runs">Runs</h2>
          <RunTable flow={name} states={[]} filtered={false} clear={() => undefined} showFlow={false} /></section>
      </div>
      {starting && <StartForm flow={flow} close={() => setStarting(false)} />}
    </div>
  );
}
