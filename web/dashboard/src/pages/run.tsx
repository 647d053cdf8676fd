// One run: what it is, how far it is, what went wrong, and for each task its progress, rows, logs and data.
import { useMemo, useState } from 'preact/hooks';
import { isFailure, isFinal, taskKey, type RunDetail, type TaskRun } from '../api/documents';
import { flowsRead, zoneOf } from '../api/flows';
import { useRun } from '../api/run';
import { useStore } from '../api/store';
import { EmptyState, ErrorNotice, Skeleton } from '../parts/notices';
import { CountsBar, countsOf } from '../parts/progress';
import { LoadWords, total } from '../parts/loads';
import { StateBadge, WarningsTag } from '../parts/state';
import { Ago, Elapsed } from '../parts/time';
import { RunLine } from '../parts/run_line';
import { changeQuery, Link, usePlace } from '../router';
import { chunksInWords } from '../words/chunks';
import { count, intervalText, itemText, rowsInWords } from '../words/figures';
import { trialInWords, triggerInWords } from '../words/states';
import { Data } from './data';
import { Details } from './details';
import { Graph } from './graph';
import { LogPanel } from './log_panel';
import { Approvals, RunActions } from './run_actions';
import { Icon } from '../parts/icon';
import { graphNodes, TaskList } from './task_list';

function Facts({ run, zone }: { run: RunDetail; zone: string }) {
  return (
    <dl class="run-facts">
      <div><dt>Took</dt><dd><Elapsed of={run} /></dd></div>
      <div><dt>{run.started_at ? 'Started' : 'Created'}</dt><dd><Ago at={run.started_at ?? run.created_at} /></dd></div>
      {run.scheduled_for && <div><dt>Due</dt><dd><Ago at={run.scheduled_for} /></dd></div>}
      <div><dt>Trigger</dt><dd>{triggerInWords(run.trigger)}{run.rerun_of && <> of <Link href={`/runs/${run.rerun_of}`}>#{run.rerun_of}</Link></>}{run.caused_by && <>, {run.caused_by.task ? `task ${run.caused_by.task} of` : 'the end of'} <Link href={`/runs/${run.caused_by.run}`}>{run.caused_by.flow} #{run.caused_by.run}</Link></>}{trialInWords(run) && `, ${trialInWords(run)}`}</dd></div>
      {run.allow_deletes && <div><dt>May delete</dt><dd>up to {rowsInWords(run.allow_deletes.rows, count)} of each table, says {run.allow_deletes.by}</dd></div>}
      {run.interval && <div><dt>Interval</dt><dd title={`${run.interval.start} to ${run.interval.end}, end excluded; midnights of ${zone}`}>{intervalText(run.interval, zone)}</dd></div>}
      {run.loads && run.loads.length > 0 && <div><dt>Loaded</dt><dd><LoadWords counts={total(run.loads)} /></dd></div>}
    </dl>
  );
}

const shownFailures = 4;

function Failures({ run, choose }: { run: RunDetail; choose: (task: TaskRun) => void }) {
  const { tasks, message } = run;
  const broken = run.chunks.filter((chunk) => isFailure(chunk.state));
  const failed = tasks.filter((task) => isFailure(task.state) && task.error);
  if (failed.length === 0) return message ? <div class="notice notice-error" role="note"><Icon name="cross" /><div><p>{message}{broken.map((chunk) => <> · <Link href={`/runs/${chunk.id}`}>chunk {chunk.chunk?.number}, #{chunk.id}</Link></>)}</p></div></div> : null;
  return (
    <section class="failures" aria-label="What went wrong">
      {failed.slice(0, shownFailures).map((task) => (
        <div class="notice notice-error" key={taskKey(task)}>
          <Icon name={task.state === 'crashed' ? 'bolt' : 'cross'} />
          <div>
            <p><strong class="mono">{task.task}</strong> <span class="tag tag-error">{task.error?.class}</span> {task.error?.message}</p>
            {task.error?.remedy && <p class="remedy">{task.error.remedy}</p>}
          </div>
          <button type="button" class="button" onClick={() => choose(task)}>Log</button>
        </div>
      ))}
      {failed.length > shownFailures && <p class="faint">and {failed.length - shownFailures} more; filter the tasks by state to see them</p>}
    </section>
  );
}

const tabs = [['logs', 'Logs', 'l'], ['details', 'Details', 'd'], ['data', 'Data', undefined]] as const;

export function RunPage({ id }: { id: number }) {
  const resource = useRun(id);
  const { query } = usePlace();
  const flows = useStore(flowsRead);
  const [asGraph, setAsGraph] = useState(false);
  const run = resource.data;
  const key = query.get('task');
  const selected = useMemo(() => run?.tasks.find((task) => taskKey(task) === key), [run?.tasks, key]);

  if (!run) {
    if (resource.error?.status === 404) return <EmptyState title={`There is no run ${id}`}><p><Link href="/runs">See all runs</Link></p></EmptyState>;
    return <div class="page">{resource.error ? <ErrorNotice error={resource.error} retry={resource.reload} /> : <Skeleton rows={8} height={56} />}</div>;
  }
  const zone = zoneOf(run.flow, flows);
  const cut = run.chunks.length > 0 && run.tasks.length === 0;
  const usual = cut ? 'details' : 'logs';
  const tab = query.get('tab') ?? usual;
  const loads = run.loads && run.loads.length > 0 ? run.loads : run.chunks.flatMap((chunk) => chunk.loads ?? []);
  const choose = (task: string | null, item?: string | null) => changeQuery({ task: task && item ? `${task}/${item}` : task });
  const taskName = selected?.task ?? (key && run.tasks.some((task) => task.task === key) ? key : null);
  const mapped = run.tasks.some((task) => task.item_hash);

  return (
    <div class="page run-page">
      <header class="page-head">
        <div>
          <p class="crumbs"><Link href="/runs">Runs</Link>{run.parent_id && <> / <Link href={`/runs/${run.parent_id}`}>#{run.parent_id}</Link></>}</p>
          <h1><Link href={`/flows/${run.flow}`}>{run.flow}</Link> <span class="faint">#{run.id}{run.chunk && `, chunk ${run.chunk.number} of ${run.chunk.of}`}</span> <StateBadge of={run} big /><WarningsTag of={run} /></h1>
        </div>
        <RunActions run={run} flow={flows?.find((one) => one.name === run.flow)} selected={selected} reload={resource.reload} />
      </header>
      <div class="run-summary">
        <Facts run={{ ...run, loads }} zone={zone} />
        {!isFinal(run.state) && <div class="run-progress"><CountsBar counts={countsOf(run)} />{run.message && <span class="faint">{run.message}</span>}</div>}
      </div>
      {resource.error && <ErrorNotice error={resource.error} retry={resource.reload} />}
      <Approvals run={run} reload={resource.reload} />
      {isFailure(run.state) && <Failures run={run} choose={(task) => changeQuery({ task: taskKey(task), tab: 'logs' })} />}

      <div class="run-body">
        <section class="run-tasks" aria-labelledby="tasks">
          {run.chunks.length > 0 && (
            <>
              <div class="section-head"><h2 id={cut ? 'tasks' : undefined}>Chunks</h2><span class="faint">{chunksInWords(run, run.chunks)}</span></div>
              <ul class="card list chunk-list">{run.chunks.map((chunk) => <li key={chunk.id} class="row"><RunLine run={chunk} /></li>)}</ul>
            </>
          )}
          {(run.tasks.length > 0 || run.chunks.length === 0) && (
            <>
              <div class="section-head">
                <h2 id="tasks">Tasks</h2>
                {run.tasks.length > 1 && !mapped && (
                  <div class="segments" role="group" aria-label="Show tasks as">
                    <button type="button" aria-pressed={!asGraph} onClick={() => setAsGraph(false)}><Icon name="list" size={14} />List</button>
                    <button type="button" aria-pressed={asGraph} onClick={() => setAsGraph(true)}><Icon name="graph" size={14} />Graph</button>
                  </div>
                )}
              </div>
              {asGraph && !mapped
                ? <div class="card"><Graph label="Tasks of this run" nodes={graphNodes(run.tasks)} selected={taskName} select={(name) => choose(name === taskName ? null : name)} /></div>
                : <TaskList run={run} selected={key} choose={choose} />}
            </>
          )}
        </section>
        <section class="run-panel" aria-label={taskName ? `Task ${taskName}` : 'Run'}>
          <div class="section-head">
            <div class="tabs" role="tablist" aria-label="About">
              {tabs.map(([name, label, shortcut]) => (
                <button key={name} type="button" role="tab" id={`tab-${name}`} aria-selected={tab === name} aria-controls="panel" data-shortcut={shortcut}
                  onClick={() => changeQuery({ tab: name === usual ? null : name })}>{label}</button>
              ))}
            </div>
            {taskName && <span class="chosen"><span class="mono ellipsis">{taskName}{selected?.item_hash && `: ${itemText(selected.item)}`}</span>
              <button type="button" class="icon-button" aria-label="Show the whole run" title="Show the whole run" onClick={() => choose(null)}><Icon name="close" size={13} /></button></span>}
          </div>
          <div id="panel" role="tabpanel" aria-labelledby={`tab-${tab}`} class="panel">
            {tab === 'details' ? <Details run={{ ...run, loads }} task={selected} />
              : tab === 'data' ? <Data run={run} task={selected} choose={choose} />
              : cut ? <p class="card pad faint">Each chunk has its own log: open one on the left.</p>
              : <LogPanel run={run} task={taskName} item={selected?.item_hash ? selected.item : undefined} />}
          </div>
        </section>
      </div>
    </div>
  );
}
