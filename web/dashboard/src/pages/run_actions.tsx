// What a person may do with a run: pause it, cancel it, run it again, decide what waits for approval.
import { useState } from 'preact/hooks';
import { useAction } from '../api/action';
import { get, post } from '../api/client';
import { isFinal, type Flow, type RunDetail, type TaskRun } from '../api/documents';
import { useResource } from '../api/resource';
import { Dialog } from '../parts/dialog';
import { Icon } from '../parts/icon';
import { ErrorNotice } from '../parts/notices';
import { Ago } from '../parts/time';
import { RerunForm } from './rerun_form';

interface Plan { hash?: string; tasks?: { name: string; options?: { text?: string } }[] }

type Order = 'pause' | 'resume' | 'cancel';

interface Words { does: string; inChunks?: string; also: string; no: string; yes: string }

/** What each does, said before it is done. */
const orders: Record<Order, Words> = {
  pause: {
    does: 'No further task begins; those under way go on.',
    inChunks: 'No further chunk begins, and no further task of those under way; tasks under way go on.',
    also: 'So it stays until somebody resumes it. It keeps its slots of limits, and the time does not count against a timeout of its flow.',
    no: 'Let it run', yes: 'Pause the run',
  },
  resume: {
    does: 'Its next tasks begin.', inChunks: 'The chunks under way go on, and the next ones begin.', also: 'What has completed stands.',
    no: 'Leave it paused', yes: 'Resume the run',
  },
  cancel: {
    does: 'Its tasks are told to stop and are killed after ten seconds.', also: 'What was loaded stays; a load in progress is rolled back.',
    no: 'Let it run', yes: 'Cancel the run',
  },
};
const titles: Record<Order, string> = { pause: 'Pause', resume: 'Resume', cancel: 'Cancel' };

function OrderDialog({ run, order, close, reload }: { run: RunDetail; order: Order; close: () => void; reload: () => void }) {
  const { error, busy, act } = useAction();
  const words = orders[order];
  const cut = run.chunks.length > 0;
  const give = () => act(async () => {
    await post(`runs/${run.id}/${order}`);
    close();
    reload();
  });
  return (
    <Dialog title={`${titles[order]} run ${run.id}?`} close={close}>
      <p>{(cut && words.inChunks) || words.does} {words.also}</p>
      {error && <ErrorNotice error={error} />}
      <div class="actions"><button type="button" class="button" onClick={close}>{words.no}</button>
        <button type="button" class={`button ${order === 'cancel' ? 'button-danger' : 'button-strong'}`} disabled={busy} onClick={give}>{words.yes}</button></div>
    </Dialog>
  );
}

export function RunActions({ run, flow, selected, reload }: { run: RunDetail; flow: Flow | undefined; selected: TaskRun | undefined; reload: () => void }) {
  const [asking, setAsking] = useState<Order | 'rerun'>();
  const close = () => setAsking(undefined);
  const paused = run.state === 'paused';
  // One button for both, and one for the two below: the focus that a dialog gives back stays where it was.
  return (
    <div class="actions">
      {(run.state === 'running' || paused) && (
        <button key="hold" type="button" class="button" onClick={() => setAsking(paused ? 'resume' : 'pause')}>
          <Icon name={paused ? 'start' : 'pause'} size={paused ? 13 : 14} />{paused ? 'Resume' : 'Pause'}</button>
      )}
      {!isFinal(run.state)
        ? <button key="end" type="button" class="button button-danger" disabled={run.state === 'cancelling'} onClick={() => setAsking('cancel')}><Icon name="stop" size={14} />Cancel</button>
        : <button key="end" type="button" class="button button-strong" onClick={() => setAsking('rerun')}><Icon name="again" size={14} />Run again</button>}
      {asking === 'rerun' ? <RerunForm run={run} flow={flow} selected={selected} close={close} />
        : asking && <OrderDialog key={asking} run={run} order={asking} close={close} reload={reload} />}
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
