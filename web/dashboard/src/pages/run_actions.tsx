// What a person may do with a run: cancel it, run it again, decide what waits for approval.
import { useState } from 'preact/hooks';
import { ApiError, get, post } from '../api/client';
import { isFailure, isFinal, type Run, type RunDetail, type TaskRun } from '../api/documents';
import { useResource } from '../api/resource';
import { Dialog } from '../parts/dialog';
import { Icon } from '../parts/icon';
import { ErrorNotice } from '../parts/notices';
import { go } from '../router';
import { Ago } from '../parts/time';

interface Plan { hash?: string; tasks?: { name: string; options?: { text?: string } }[] }

interface Answer extends Partial<Run> { run?: Run }

function useAction(): { error: ApiError | undefined; busy: boolean; act: (what: () => Promise<void>) => void } {
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const act = (what: () => Promise<void>) => {
    setBusy(true);
    setError(undefined);
    what().catch((failure: unknown) => setError(failure instanceof ApiError ? failure : new ApiError(-1, String(failure), ''))).finally(() => setBusy(false));
  };
  return { error, busy, act };
}

export function RunActions({ run, selected, reload }: { run: RunDetail; selected: TaskRun | undefined; reload: () => void }) {
  const [asking, setAsking] = useState<'cancel' | 'rerun'>();
  const { error, busy, act } = useAction();
  const failed = isFailure(run.state) || run.state === 'cancelled';
  const [from, setFrom] = useState('start');

  const cancel = () => act(async () => {
    await post(`runs/${run.id}/cancel`);
    setAsking(undefined);
    reload();
  });
  const rerun = () => act(async () => {
    const body = from === 'task' && selected ? { from: 'task', task: selected.task } : { from };
    const answer = await post<Answer>(`runs/${run.id}/rerun`, body);
    setAsking(undefined);
    go(`/runs/${answer.id ?? answer.run?.id ?? run.id}`);
  });

  return (
    <div class="actions">
      {!isFinal(run.state)
        ? <button type="button" class="button button-danger" disabled={run.state === 'cancelling'} onClick={() => setAsking('cancel')}><Icon name="stop" size={14} />Cancel</button>
        : <button type="button" class="button button-strong" onClick={() => { setFrom(failed ? 'failed' : 'start'); setAsking('rerun'); }}><Icon name="again" size={14} />Run again</button>}
      {asking === 'cancel' && (
        <Dialog title={`Cancel run ${run.id}?`} close={() => setAsking(undefined)}>
          <p>Its tasks are told to stop and are killed after ten seconds. What was loaded stays; a load in progress is rolled back.</p>
          {error && <ErrorNotice error={error} />}
          <div class="actions"><button type="button" class="button" onClick={() => setAsking(undefined)}>Let it run</button>
            <button type="button" class="button button-danger" disabled={busy} onClick={cancel}>Cancel the run</button></div>
        </Dialog>
      )}
      {asking === 'rerun' && (
        <Dialog title={`Run ${run.flow} again`} close={() => setAsking(undefined)}>
          <fieldset class="options">
            <legend>With the same parameters and interval as run {run.id}:</legend>
            {failed && <label class="check"><input type="radio" name="from" checked={from === 'failed'} onChange={() => setFrom('failed')} /><span>From what failed <span class="faint">datasets that are complete are used again</span></span></label>}
            {selected && <label class="check"><input type="radio" name="from" checked={from === 'task'} onChange={() => setFrom('task')} /><span>From <span class="mono">{selected.task}</span> <span class="faint">it and everything after it</span></span></label>}
            <label class="check"><input type="radio" name="from" checked={from === 'start'} onChange={() => setFrom('start')} /><span>From the start</span></label>
          </fieldset>
          {error && <ErrorNotice error={error} />}
          <div class="actions"><button type="button" class="button" onClick={() => setAsking(undefined)}>Close</button>
            <button type="button" class="button button-strong" disabled={busy} onClick={rerun}>Run again</button></div>
        </Dialog>
      )}
    </div>
  );
}

function Approval({ run, task, reload }: { run: RunDetail; task: TaskRun; reload: () => void }) {
  const [comment, setComment] = useState('');
  const { error, busy, act } = useAction();
  // The question stands in the plan; a plan that was deployed since may ask another.
  const plan = useResource(`plan of ${run.flow}`, (signal) => get<Plan>(`flows/${encodeURIComponent(run.flow)}/plan`, signal)).data;
  const asked = plan?.hash === run.plan_hash ? plan?.tasks?.find((one) => one.name === task.task)?.options?.text : undefined;
  const decide = (decision: 'approve' | 'reject') => act(async () => {
    await post(`runs/${run.id}/tasks/${encodeURIComponent(task.task)}/approve`, { decision, comment });
    reload();
  });
  return (
    <div class="notice notice-ask" role="group" aria-label={`Approval of ${task.task}`}>
      <Icon name="pause" size={18} />
      <div class="approval">
        <p><strong>{task.message || asked || `${task.task} waits for an approval.`}</strong> <span class="faint">{task.started_at && <>asked <Ago at={task.started_at} /></>}</span></p>
        <label class="field"><span class="field-label">Comment <span class="faint">kept with the run</span></span>
          <input value={comment} onInput={(event) => setComment(event.currentTarget.value)} autocomplete="off" /></label>
        {error && <ErrorNotice error={error} />}
      </div>
      <div class="actions">
        <button type="button" class="button" disabled={busy} onClick={() => decide('reject')}>Reject</button>
        <button type="button" class="button button-strong" disabled={busy} onClick={() => decide('approve')}><Icon name="check" size={15} />Approve</button>
      </div>
    </div>
  );
}

export function Approvals({ run, reload }: { run: RunDetail; reload: () => void }) {
  const waiting = run.tasks.filter((task) => task.verb === 'approve' && !isFinal(task.state) && (task.state === 'paused' || task.state_name === 'AwaitingApproval'));
  return <>{waiting.map((task) => <Approval key={task.task} run={run} task={task} reload={reload} />)}</>;
}
