// One run with its tasks and chunks, kept true by events.
import { useEffect, useRef } from 'preact/hooks';
import { get, getAll, withQuery } from './client';
import { isFinal, taskKey, type Progress, type Run, type RunDetail, type TaskRun } from './documents';
import { useLive, type LiveEvent } from './live';
import { useResource, type Resource } from './resource';
import { newer } from './runs';

async function readRun(id: number, signal: AbortSignal): Promise<RunDetail> {
  const run = await get<RunDetail>(`runs/${id}`, signal);
  const rest = run.tasks_next ? await getAll<TaskRun>(withQuery(`runs/${id}/tasks`, { limit: 10_000, after: run.tasks_next }), signal, 100_000) : [];
  const older = run.chunks_next ? await getAll<Run>(withQuery('runs', { parent: id, limit: 500, after: run.chunks_next }), signal, 10_000) : [];
  return { ...run, tasks: [...(run.tasks ?? []), ...rest], chunks: [...older.reverse(), ...(run.chunks ?? [])] };
}

function newerTask(old: TaskRun, incoming: Partial<TaskRun>): TaskRun {
  if (isFinal(old.state) && incoming.state && !isFinal(incoming.state)) return old;
  return { ...old, ...incoming };
}

function applyTasks(tasks: TaskRun[], events: LiveEvent[]): TaskRun[] {
  const changes = new Map<string, Partial<TaskRun>>();
  for (const { type, data } of events) {
    const key = taskKey(data as unknown as TaskRun);
    if (type === 'task_run') changes.set(key, { ...changes.get(key), ...(data as Partial<TaskRun>) });
    if (type === 'progress') {
      const progress = (data.progress ?? data) as Progress;
      changes.set(key, { ...changes.get(key), progress });
    }
  }
  if (changes.size === 0) return tasks;
  const result = tasks.map((task) => {
    const key = taskKey(task);
    const change = changes.get(key);
    changes.delete(key);
    return change ? newerTask(task, change) : task;
  });
  // Task runs of a mapped task appear when its items are known; progress alone makes none.
  for (const fresh of changes.values()) if (fresh.task && fresh.state) result.push(fresh as TaskRun);
  return result;
}

function applyChunks(chunks: Run[], runs: Run[]): Run[] {
  let result = chunks;
  for (const run of runs) {
    const known = result.findIndex((chunk) => chunk.id === run.id);
    result = known >= 0 ? result.map((chunk, index) => (index === known ? newer(chunk, run) : chunk)) : [...result, run];
  }
  return result === chunks ? chunks : [...result].sort((a, b) => (a.chunk?.number ?? a.id) - (b.chunk?.number ?? b.id));
}

export function useRun(id: number): Resource<RunDetail> {
  const run = useResource(`runs/${id}`, (signal) => readRun(id, signal));

  useLive((events) => {
    const own = events.filter(({ type, data }) => (type === 'task_run' || type === 'progress') && data.run_id === id);
    const runs = events.filter(({ type }) => type === 'run').map(({ data }) => data as unknown as Run);
    const self = runs.filter((one) => one.id === id);
    const children = runs.filter((one) => one.parent_id === id);
    if (own.length + self.length + children.length === 0) return;
    run.change((old) => {
      const { tasks, chunks, ...rest } = self.reduce<RunDetail>((a, b) => newer(a, b) as RunDetail, old);
      return { ...rest, tasks: applyTasks(old.tasks ?? tasks, own), chunks: applyChunks(old.chunks ?? chunks, children) };
    });
  });

  // The end of a run settles its counts and loads: read them as the store has them.
  const final = run.data ? isFinal(run.data.state) : undefined;
  const before = useRef(final);
  useEffect(() => {
    if (before.current === false && final === true) run.reload();
    before.current = final;
  }, [final]);
  return run;
}
