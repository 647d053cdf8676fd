// The first rows of a task's dataset.
import { get, withQuery } from '../api/client';
import type { Dataset, RunDetail, TaskRun } from '../api/documents';
import { useResource } from '../api/resource';
import { ErrorNotice, Skeleton } from '../parts/notices';
import { count, plain } from '../words/figures';

const verbs = ['extract', 'transform', 'run'];
const limit = 50;

/** Rows come as arrays in the order of the columns, or as objects by name. */
function cell(row: unknown, column: string, index: number): unknown {
  return Array.isArray(row) ? (row as unknown[])[index] : (row as Record<string, unknown> | null)?.[column];
}

function numeric(type: string): boolean {
  return /int|decimal|double|float|numeric|real/i.test(type);
}

function Preview({ run, task }: { run: RunDetail; task: TaskRun }) {
  const dataset = useResource(`${run.id}/${task.task}/${task.finished_at ?? ''}`, (signal) => get<Dataset>(withQuery(`runs/${run.id}/datasets/${encodeURIComponent(task.task)}`, { limit }), signal));
  if (dataset.error) return <ErrorNotice error={dataset.error} retry={dataset.reload} />;
  if (!dataset.data) return <Skeleton rows={8} height={30} />;
  const { columns, rows, total } = dataset.data;
  return (
    <>
      <p class="faint">{rows.length < total ? `The first ${count(rows.length)} of ${count(total)} rows` : `${count(total)} rows`}, {columns.length} columns</p>
      <div class="scroll-x data-scroll" tabIndex={0} role="region" aria-label={`Rows of ${task.task}`}>
        <table class="grid data-grid">
          <thead><tr>{columns.map((column) => <th key={column.name} scope="col" class={numeric(column.type) ? 'number' : ''}>{column.name}<span class="column-type">{column.type.toLowerCase()}</span></th>)}</tr></thead>
          <tbody>
            {rows.map((row, number) => (
              <tr key={number}>{columns.map((column, index) => {
                const value = cell(row, column.name, index);
                const text = plain(value);
                return <td key={column.name} class={numeric(column.type) ? 'number' : ''} title={text.length > 40 ? text : undefined}>{value === null || value === undefined ? <span class="null">null</span> : text}</td>;
              })}</tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

export function Data({ run, task, choose }: { run: RunDetail; task: TaskRun | undefined; choose: (task: string) => void }) {
  const having = run.tasks.filter((one) => verbs.includes(one.verb) && one.state === 'completed' && !one.item_hash);
  if (task && having.includes(task)) return <div class="card pad"><Preview run={run} task={task} /></div>;
  return (
    <div class="card pad">
      <p>{task ? <><span class="mono">{task.task}</span> has no dataset to show{verbs.includes(task.verb) ? ' yet.' : '.'}</> : 'Choose a task to see the first rows of its dataset.'}</p>
      {having.length > 0 && <p class="chips">{having.map((one) => <button key={one.task} type="button" class="chip" onClick={() => choose(one.task)}>{one.task}</button>)}</p>}
    </div>
  );
}
