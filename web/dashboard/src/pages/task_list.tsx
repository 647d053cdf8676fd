// The task runs of a run with progress, result and a time line. The items of a mapped task stand under one row for all.
import { useMemo, useState } from 'preact/hooks';
import { isFinal, isReused, taskKey, type RunDetail, type State, type TaskRun } from '../api/documents';
import { Icon } from '../parts/icon';
import { LoadLine, total } from '../parts/loads';
import { useNarrow } from '../parts/narrow';
import { CountsBar, fraction, ProgressBar, progressWords } from '../parts/progress';
import { StateMark } from '../parts/state';
import { Elapsed, now } from '../parts/time';
import { VirtualRows } from '../parts/virtual_rows';
import { useStore } from '../api/store';
import { compact, count, itemText, rowsInWords } from '../words/figures';
import { allStates, wordFor } from '../words/states';
import type { GraphNode } from './graph';

export interface Group {
  kind: 'group';
  name: string;
  verb: string;
  needs: string[];
  counts: Partial<Record<State, number>>;
  state: State;
  size: number;
  started_at: string | null;
  finished_at: string | null;
}
export type Row = Group | { kind: 'task'; task: TaskRun; member: boolean };

/** What a group is as a whole: what still moves counts before what has ended. */
const weight: State[] = ['running', 'retrying', 'cancelling', 'paused', 'pending', 'scheduled', 'crashed', 'failed', 'cancelled', 'completed', 'skipped'];

export function groupOf(name: string, members: TaskRun[]): Group {
  const counts: Partial<Record<State, number>> = {};
  let started: string | null = null;
  let finished: string | null = null;
  for (const task of members) {
    counts[task.state] = (counts[task.state] ?? 0) + 1;
    if (task.started_at && (started === null || task.started_at < started)) started = task.started_at;
    if (task.finished_at && (finished === null || task.finished_at > finished)) finished = task.finished_at;
  }
  const state = weight.find((one) => counts[one]) ?? 'pending';
  const first = members[0];
  return { kind: 'group', name, verb: first?.verb ?? '', needs: first?.needs ?? [], counts, state, size: members.length, started_at: started, finished_at: isFinal(state) ? finished : null };
}

function byName(tasks: TaskRun[]): Map<string, TaskRun[]> {
  const groups = new Map<string, TaskRun[]>();
  for (const task of tasks) {
    const members = groups.get(task.task);
    if (members) members.push(task);
    else groups.set(task.task, [task]);
  }
  return groups;
}

export function rowsOf(tasks: TaskRun[], open: Set<string>, only: State | ''): Row[] {
  const rows: Row[] = [];
  for (const [name, members] of byName(tasks)) {
    const first = members[0];
    const mapped = members.filter((task) => task.item_hash);
    if (mapped.length === 0) {
      if (first && (only === '' || first.state === only)) rows.push({ kind: 'task', task: first, member: false });
      continue;
    }
    rows.push(groupOf(name, mapped));
    if (open.has(name)) for (const task of mapped) if (only === '' || task.state === only) rows.push({ kind: 'task', task, member: true });
  }
  return rows;
}

export function graphNodes(tasks: TaskRun[]): GraphNode[] {
  return [...byName(tasks)].map(([name, members]) => {
    const task = members[0];
    const words = task && isReused(task) ? `${task.verb}, reused` : task && task.rows != null ? `${task.verb}, ${rowsInWords(task.rows)}` : task?.verb;
    return { name, verb: task?.verb ?? '', needs: task?.needs ?? [], state: groupOf(name, members).state, note: words };
  });
}

/** Where a span of time lies within the run's, in percent. */
function TimeBar({ of, from, to, state }: { of: { started_at: string | null; finished_at: string | null }; from: number; to: number; state: State }) {
  if (!of.started_at || to <= from) return <span class="timeline" />;
  const start = Date.parse(of.started_at);
  const end = of.finished_at ? Date.parse(of.finished_at) : to;
  const left = Math.max(0, Math.min(100, ((start - from) / (to - from)) * 100));
  const width = Math.max(0.8, Math.min(100 - left, ((end - start) / (to - from)) * 100));
  return <span class="timeline" aria-hidden="true"><span class={`timeline-bar state-${state}`} style={{ left: `${left}%`, width: `${width}%` }} /></span>;
}

function Result({ task }: { task: TaskRun }) {
  if (task.error && !isFinal(task.state)) return <span class="ellipsis state-retrying" title={task.error.message}>{task.message || task.error.message}</span>;
  if (task.error) return <span class="ellipsis state-failed" title={task.error.message}>{task.error.message}</span>;
  if (!isFinal(task.state) && task.progress) {
    const words = progressWords(task.progress);
    return <span class="task-progress" title={words.join(' · ')}><ProgressBar value={fraction(task.progress)} label={`Progress of ${task.task}`} /><span class="ellipsis">{words.slice(0, 3).join(' · ')}</span></span>;
  }
  const counts = total(task.loads);
  if (counts) return <LoadLine counts={counts} />;
  if (task.rows != null) return <span>{rowsInWords(task.rows)}{task.rejected ? <span class="load-rejected"> !{compact(task.rejected)} rejected</span> : null}</span>;
  if (task.state === 'completed') return <span class="ellipsis faint">{task.message}</span>;
  return <span class="ellipsis faint" title={task.message ?? undefined}>{task.message || wordFor(task)}</span>;
}

interface Props { run: RunDetail; selected: string | null; choose: (task: string | null, item?: string | null) => void }

export function TaskList({ run, selected, choose }: Props) {
  const narrow = useNarrow();
  const [open, setOpen] = useState<Set<string>>(new Set());
  const [only, setOnly] = useState<State | ''>('');
  const rows = useMemo(() => rowsOf(run.tasks, open, only), [run.tasks, open, only]);
  const counts = useMemo(() => groupOf('', run.tasks).counts, [run.tasks]);
  const present = useStore(now);
  const from = Date.parse(run.started_at ?? run.created_at);
  const to = run.finished_at ? Date.parse(run.finished_at) : Math.max(present, from + 1);
  const rowHeight = narrow ? 62 : 48;

  const toggle = (name: string) => setOpen((old) => {
    const next = new Set(old);
    if (!next.delete(name)) next.add(name);
    return next;
  });

  const taskRow = (task: TaskRun, member: boolean) => {
    const key = taskKey(task);
    return (
      <button type="button" class={`row task-row${member ? ' task-member' : ''}`} data-row aria-pressed={selected === key} onClick={() => (selected === key ? choose(null) : choose(task.task, task.item_hash))}>
        <StateMark of={task} />
        <span class="task-name"><span class="ellipsis">{member ? itemText(task.item) : task.task}</span>
          <span class="faint">{member ? '' : task.verb}{task.attempts > 1 ? `${member ? '' : ', '}attempt ${task.attempts}` : ''}</span></span>
        <span class="task-result"><Result task={task} /></span>
        <TimeBar of={task} from={from} to={to} state={task.state} />
        <span class="task-time">{isReused(task) ? <span class="faint">reused</span> : <Elapsed of={task} />}</span>
      </button>
    );
  };

  const groupRow = (group: Group) => (
    <button type="button" class="row task-row task-group" data-row aria-expanded={open.has(group.name)} onClick={() => toggle(group.name)}>
      <Icon name={open.has(group.name) ? 'down' : 'right'} size={14} />
      <span class="task-name"><span class="ellipsis">{group.name}</span><span class="faint">{group.verb}, {count(group.size)} items</span></span>
      <span class="task-result"><CountsBar counts={group.counts} /></span>
      <TimeBar of={group} from={from} to={to} state={group.state} />
      <span class="task-time"><Elapsed of={group} /></span>
    </button>
  );

  if (run.tasks.length === 0) return <p class="card pad faint">{isFinal(run.state) ? `This run ended before it had tasks${run.message ? `: ${run.message}` : ''}.` : 'The tasks appear when the run starts.'}</p>;
  return (
    <>
      {run.tasks.length > 20 && (
        <div class="chips" role="group" aria-label="Show only">
          <button type="button" class="chip" aria-pressed={only === ''} onClick={() => setOnly('')}>All</button>
          {allStates.filter((state) => counts[state]).map((state) => <button key={state} type="button" class="chip" aria-pressed={only === state}
            onClick={() => { setOnly(state); setOpen(new Set(run.tasks.filter((task) => task.item_hash).map((task) => task.task))); }}>{wordFor({ state })} {count(counts[state])}</button>)}
        </div>
      )}
      <div class="card task-list">
        {rows.length === 0 ? <p class="pad faint">No task is in this state.</p> : rows.length <= 30
          ? <ul class="list">{rows.map((row) => <li key={row.kind === 'group' ? `group ${row.name}` : taskKey(row.task)}>{row.kind === 'group' ? groupRow(row) : taskRow(row.task, row.member)}</li>)}</ul>
          : <VirtualRows class="task-virtual" items={rows} rowHeight={rowHeight} label="Tasks" keyOf={(row) => (row.kind === 'group' ? `group ${row.name}` : taskKey(row.task))}
              row={(row) => (row.kind === 'group' ? groupRow(row) : taskRow(row.task, row.member))} />}
      </div>
    </>
  );
}
