// The first rows of a task's dataset, and those that break its rules.
import { get, withQuery } from '../api/client';
import type { Dataset, RejectedRows, RunDetail, TaskRun } from '../api/documents';
import { useResource } from '../api/resource';
import { ErrorNotice, Skeleton } from '../parts/notices';
import { count, itemText, plain, rowsInWords } from '../words/figures';

const verbs = ['extract', 'transform', 'run'];
const limit = 50;

/** Rows come as arrays in the order of the columns, or as objects by name. */
function cell(row: unknown, column: string, index: number): unknown {
  return Array.isArray(row) ? (row as unknown[])[index] : (row as Record<string, unknown> | null)?.[column];
}

function numeric(type: string): boolean {
  return /^(u?(tiny|small|big|huge)?int|uinteger|decimal\(.*\)|double|float)$/.test(type);
}

function Cell({ value, number = false, broken = false }: { value: unknown; number?: boolean; broken?: boolean }) {
  const text = plain(value);
  const kind = [number && 'number', broken && 'broken'].filter(Boolean).join(' ');
  return <td class={kind} title={text.length > 40 ? text : undefined}>{value === null || value === undefined ? <span class="null">null</span> : text}</td>;
}

function Rejected({ run, task }: { run: RunDetail; task: TaskRun }) {
  const rejected = useResource(`${run.id}/${task.task}/rejected/${task.finished_at ?? ''}`, (signal) => get<RejectedRows>(withQuery(`runs/${run.id}/datasets/${encodeURIComponent(task.task)}/rejected`, { limit }), signal));
  // They were not kept, or were rejected before this task: it says where.
  if (rejected.error?.status === 404) return <><p>{rejected.error.message}</p><p class="remedy">{rejected.error.remedy}</p></>;
  if (rejected.error) return <ErrorNotice error={rejected.error} retry={rejected.reload} />;
  if (!rejected.data) return <Skeleton rows={3} height={30} />;
  const { columns, rows, total, warned = 0 } = rejected.data;
  const title = warned === 0 ? 'Rejected rows' : warned === total ? 'Rows that were warned of' : 'Rejected rows, and rows that were warned of';
  return (
    <>
      <h3 class="rejected-head">{title} <span class="faint">{rows.length < total ? `the first ${count(rows.length)} of ${count(total)}` : count(total)}</span></h3>
      <div class="scroll-x data-scroll" tabIndex={0} role="region" aria-label={`Rejected rows of ${task.task}`}>
        <table class="grid data-grid">
          <thead><tr><th scope="col">reason</th><th scope="col">at</th>{columns.map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
          <tbody>
            {rows.map((row, number) => (
              <tr key={number}>
                <td class="reason"><span class="mono">{row.column}</span> {row.rule}{row.value !== null && <>: <span class="mono">{row.value}</span></>}</td>
                <td class="faint">{row.item != null && `${itemText(row.item)}, `}{row.position}</td>
                {columns.map((name) => <Cell key={name} value={row.fields[name]} broken={name === row.column} />)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Preview({ run, task }: { run: RunDetail; task: TaskRun }) {
  const dataset = useResource(`${run.id}/${task.task}/${task.finished_at ?? ''}`, (signal) => get<Dataset>(withQuery(`runs/${run.id}/datasets/${encodeURIComponent(task.task)}`, { limit }), signal));
  if (dataset.error) return <ErrorNotice error={dataset.error} retry={dataset.reload} />;
  if (!dataset.data) return <Skeleton rows={8} height={30} />;
  const { columns, rows, total } = dataset.data;
  return (
    <>
      <p class="faint">{rows.length < total ? `The first ${count(rows.length)} of ${rowsInWords(total, count)}` : rowsInWords(total, count)}, {columns.length} {columns.length === 1 ? 'column' : 'columns'}</p>
      <div class="scroll-x data-scroll" tabIndex={0} role="region" aria-label={`Rows of ${task.task}`}>
        <table class="grid data-grid">
          <thead><tr>{columns.map((column) => <th key={column.name} scope="col" class={numeric(column.type) ? 'number' : ''}>{column.name}<span class="column-type">{column.type}</span></th>)}</tr></thead>
          <tbody>
            {rows.map((row, number) => (
              <tr key={number}>{columns.map((column, index) => <Cell key={column.name} value={cell(row, column.name, index)} number={numeric(column.type)} />)}</tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

export function Data({ run, task, choose }: { run: RunDetail; task: TaskRun | undefined; choose: (task: string) => void }) {
  const hasRows = (one: TaskRun) => verbs.includes(one.verb) && one.state === 'completed';
  const breaksRules = (one: TaskRun) => Boolean(one.rejected || one.warned);
  const having = run.tasks.filter((one) => !one.item_hash && (hasRows(one) || breaksRules(one)));
  if (task && having.includes(task))
    return (
      <div class="card pad">
        {breaksRules(task) && <Rejected run={run} task={task} />}
        {breaksRules(task) && hasRows(task) && <h3>Rows</h3>}
        {hasRows(task) && <Preview run={run} task={task} />}
      </div>
    );
  return (
    <div class="card pad">
      <p>{task ? <><span class="mono">{task.task}</span> has no dataset to show{verbs.includes(task.verb) ? ' yet.' : '.'}</> : 'Choose a task to see the first rows of its dataset.'}</p>
      {having.length > 0 && <p class="chips">{having.map((one) => <button key={one.task} type="button" class="chip" onClick={() => choose(one.task)}>{one.task}</button>)}</p>}
    </div>
  );
}
