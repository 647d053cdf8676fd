// The API's documents, as the daemon sends them. Enums are open: a newer daemon may send a state or verb unknown here.

export type State =
  | 'scheduled' | 'pending' | 'running' | 'retrying' | 'paused' | 'cancelling'
  | 'completed' | 'failed' | 'crashed' | 'cancelled' | 'skipped';

export interface Page<T> { items: T[]; next: string | null }

export interface ParamSpec {
  name: string;
  type: string;
  default_value?: unknown;
  enumeration?: string[];
  min?: number | null;
  max?: number | null;
  required?: boolean;
}

export interface Span { months?: number; days?: number; seconds?: number }

export interface Schedule {
  cron?: string | null;
  every?: string | Span | null;
  timezone?: string | null;
  next?: string | null;
  paused?: boolean;
  /** `paused: true` stands in the flow's file. */
  paused_in_file?: boolean;
  /** After so many failures in a row it paused by itself. */
  paused_after_failures?: number | null;
  /** Why it starts nothing although nobody paused it. */
  message?: string | null;
}

export interface LastRun { id: number; state: State; created_at: string; finished_at: string | null; started_at?: string | null; warning_count?: number | null; limit_rows?: number | null }

export interface Flow {
  name: string;
  description: string | null;
  owner: string | null;
  tags: string[];
  hash: string;
  /** It came with Millrace. */
  demo?: boolean;
  deployed_at: string;
  archived: boolean;
  paused: boolean;
  schedules: Schedule[];
  params: ParamSpec[];
  tasks: { name: string; verb: string; needs: string[] }[];
  interval: boolean;
  /** What is not as its `expect` says. */
  attention?: Attention[];
  last_runs: LastRun[];
}

/** An expectation that is broken, once: of the newest run that breaks it; its message tells of the others. */
export interface Attention { kind: string; expectation: string; since: string | null; run_id: number | null; message: string; count: number }

export interface Load {
  task: string;
  table: string;
  inserted: number;
  updated: number;
  unchanged: number;
  deleted: number;
  rejected: number;
  seconds: number;
  already_loaded: boolean;
}

export interface Run {
  id: number;
  flow: string;
  state: State;
  state_name: string | null;
  message: string | null;
  trigger: string;
  created_at: string;
  scheduled_for: string | null;
  started_at: string | null;
  finished_at: string | null;
  params: Record<string, unknown> | null;
  interval: { start: string; end: string } | null;
  rerun_of: number | null;
  allow_deletes: { rows: number; by: string } | null;
  /** A trial: so many rows at most. */
  limit_rows?: number | null;
  parent_id: number | null;
  chunk: { number: number; of: number } | null;
  /** In lists, of one that is cut into chunks. */
  chunk_runs?: { count: number; first: number; last: number } | null;
  /** Whose task called it, or whose end started it. */
  caused_by?: { run: number; flow: string; task?: string; state?: string } | null;
  plan_hash: string | null;
  counts: Partial<Record<State, number>> | null;
  loads: Load[] | null;
  warning_count?: number | null;
  /** The first of them, of one run alone; or how many. */
  warnings?: { message: string }[] | number | null;
}

export interface Progress {
  step?: string | null;
  requests?: number;
  pages?: number;
  records?: number;
  bytes?: number;
  slices_done?: number;
  slices_total?: number;
  records_total?: number;
}

export interface TaskError { class: string; message: string; remedy: string | null }

export interface TaskRun {
  task: string;
  item: unknown;
  item_hash: string | null;
  verb: string;
  state: State;
  state_name: string | null;
  message: string | null;
  error: TaskError | null;
  attempts: number;
  started_at: string | null;
  finished_at: string | null;
  due_at?: string | null;
  rows: number | null;
  rejected: number | null;
  warned?: number | null;
  progress: Progress | null;
  loads: Load[] | null;
  /** That a flow task called. */
  run?: number | null;
  needs: string[];
}

/** `tasks` holds the first of them; the rest is a list of its own, from `tasks_next` on. */
export interface RunDetail extends Run { tasks: TaskRun[]; tasks_next?: string | null; chunks: Run[]; chunks_next?: string | null }

export interface LogLine {
  /** null: what somebody did to the run as a whole. */
  task: string | null;
  item: unknown;
  attempt: number;
  line: number;
  at: string;
  level: string;
  text: string;
}

export interface LogPage { items: LogLine[]; next: number | string | null; end: boolean }

export interface Dataset { columns: { name: string; type: string }[]; rows: unknown[]; total: number }

/** A row that a contract kept out: what it broke, and its fields as they came. */
export interface RejectedRow { item: unknown; column: string | null; rule: string; value: string | null; position: string | null; fields: Record<string, unknown> }

export interface RejectedRows { columns: string[]; rows: RejectedRow[]; total: number; warned?: number }

/** RFC 9457, with the daemon's `remedy`. */
export interface Problem { title?: string; detail?: string; remedy?: string; status?: number }

export function isFinal(state: State): boolean {
  return ['completed', 'failed', 'crashed', 'cancelled', 'skipped'].includes(state);
}

export function isFailure(state: State): boolean {
  return state === 'failed' || state === 'crashed';
}

/** Its result is that of the run which this one repeats: it did not run. */
export function isReused(task: Pick<TaskRun, 'state_name'>): boolean {
  return task.state_name === 'Reused';
}

/** Identity of a task run within its run. */
export function taskKey(task: { task: string; item_hash?: string | null }): string {
  return task.item_hash ? `${task.task}/${task.item_hash}` : task.task;
}
