// What is known about the chosen task, or about the whole run.
import { isReused, type RunDetail, type TaskRun } from '../api/documents';
import { byTable, LoadTable } from '../parts/loads';
import { progressWords } from '../parts/progress';
import { StateBadge } from '../parts/state';
import { Elapsed } from '../parts/time';
import { Link } from '../router';
import { absolute, count, itemText, plain } from '../words/figures';

function Facts({ facts }: { facts: [string, string | null | undefined][] }) {
  return <dl class="facts">{facts.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function TaskDetails({ task }: { task: TaskRun }) {
  return (
    <>
      <p class="detail-head"><StateBadge of={task} /> <span class="faint">{task.verb}{!isReused(task) && <>, <Elapsed of={task} /></>}</span></p>
      {task.message && !task.error && <p>{task.message}</p>}
      {task.error && (
        <div class="notice notice-error">
          <div><p><span class="tag tag-error">{task.error.class}</span> {task.error.message}</p>
            {task.error.remedy && <p class="remedy">{task.error.remedy}</p>}</div>
        </div>
      )}
      {task.run && <p><Link href={`/runs/${task.run}`}>Run #{task.run}</Link></p>}
      {task.loads && task.loads.length > 0 && <LoadTable loads={task.loads} />}
      <Facts facts={[
        ['Rows', task.rows == null ? null : count(task.rows)],
        ['Rejected', task.rejected ? count(task.rejected) : null],
        ['Progress', task.progress ? progressWords(task.progress).join(' · ') : null],
        ['Attempts', task.attempts > 0 ? String(task.attempts) : null],
        ['Item', task.item_hash ? itemText(task.item) : null],
        ['After', (task.needs ?? []).join(', ')],
        ['Started', task.started_at && absolute(task.started_at)],
        ['Finished', task.finished_at && absolute(task.finished_at)],
      ]} />
    </>
  );
}

export function Details({ run, task }: { run: RunDetail; task: TaskRun | undefined }) {
  if (task) return <div class="card pad details"><TaskDetails task={task} /></div>;
  const params = Object.entries(run.params ?? {});
  return (
    <div class="card pad details">
      {run.message && <p>{run.message}</p>}
      {run.loads && run.loads.length > 0 && <><h3>Loads</h3><LoadTable loads={byTable(run.loads)} /></>}
      {params.length > 0 && <><h3>Parameters</h3><Facts facts={params.map(([name, value]) => [name, value === null ? 'none' : plain(value)])} /></>}
      <h3>Run</h3>
      <Facts facts={[
        ['Created', absolute(run.created_at)],
        ['Due', run.scheduled_for && absolute(run.scheduled_for)],
        ['Started', run.started_at && absolute(run.started_at)],
        ['Finished', run.finished_at && absolute(run.finished_at)],
        ['Interval', run.interval && `${run.interval.start} to ${run.interval.end} (excluded)`],
        ['Plan', run.plan_hash],
      ]} />
    </div>
  );
}
