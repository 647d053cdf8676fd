// Runs a run again: how much of it, on which plan, with what other parameters.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { useAction, useKeyFor } from '../api/action';
import { post } from '../api/client';
import { isFailure, type Flow, type ParamSpec, type Run, type RunDetail, type TaskRun } from '../api/documents';
import { Dialog } from '../parts/dialog';
import { ErrorNotice } from '../parts/notices';
import { Ago } from '../parts/time';
import { go } from '../router';
import { keptOf, ParamField, paramsIn } from './param_fields';

type From = 'failed' | 'task' | 'start';

interface Answer extends Partial<Run> { run?: Run }

function Choice({ name, chosen, choose, label, hint }: { name: string; chosen: boolean; choose: () => void; label: string; hint?: ComponentChildren }) {
  return <label class="check"><input type="radio" name={name} checked={chosen} onChange={choose} /><span>{label} {hint && <span class="faint">{hint}</span>}</span></label>;
}

/** What did not complete: of a run that completed all the same, tasks with `on_failure: continue`. */
function hasFailed(run: RunDetail): boolean {
  return isFailure(run.state) || run.state === 'cancelled' || Boolean(run.counts?.failed) || Boolean(run.counts?.crashed);
}

/** A parameter that the run had keeps its value. On the plan that the run had, its type shows in that value only. */
function ofRun(spec: ParamSpec, params: Run['params'], pinned: boolean): ParamSpec {
  if (!params || !(spec.name in params)) return spec;
  const kept = { ...spec, required: false };
  return pinned ? { ...kept, type: Array.isArray(params[spec.name]) ? 'list' : 'text', min: null, max: null, enumeration: undefined } : kept;
}

export function RerunForm({ run, flow, selected, close }: { run: RunDetail; flow: Flow | undefined; selected: TaskRun | undefined; close: () => void }) {
  const { error, busy, act } = useAction();
  const keyFor = useKeyFor();
  const failed = hasFailed(run);
  const cut = run.chunks.length > 0;
  const [from, setFrom] = useState<From>(failed ? 'failed' : 'start');
  const [plan, setPlan] = useState<'newest' | 'pinned'>('newest');
  // Where the flow is still as it was for that run, there is one plan.
  const differs = flow?.hash !== run.plan_hash;
  const pinned = differs && plan === 'pinned';

  const own = [...new Set(run.tasks.map((task) => task.task))];
  const tasks = pinned || !flow ? own : flow.tasks.map((task) => task.name);
  const [task, setTask] = useState(selected?.task ?? run.tasks.find((one) => isFailure(one.state))?.task ?? own[0] ?? '');
  const chosen = tasks.includes(task) ? task : tasks[0] ?? '';
  // The plan that it had is not at hand: its parameters are those that it had a value for.
  const specs = (flow?.params ?? []).filter((spec) => !pinned || spec.name in (run.params ?? {}))
    .map((spec) => ofRun(spec, run.params, pinned));

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const params = paramsIn(new FormData(event.target as HTMLFormElement), specs);
    const body = {
      from,
      ...(from === 'task' ? { task: chosen } : {}),
      ...(pinned ? { plan: 'pinned' } : {}),
      ...(Object.keys(params).length > 0 ? { params } : {}),
    };
    act(async () => {
      const answer = await post<Answer>(`runs/${run.id}/rerun`, { ...body, idempotency_key: keyFor(body) });
      close();
      go(`/runs/${answer.id ?? answer.run?.id ?? run.id}`);
    });
  };

  return (
    <Dialog title={`Run ${run.flow} again`} close={close}>
      <form onSubmit={(event) => submit(event as SubmitEvent)}>
        <fieldset class="options">
          <legend>With the same parameters and interval as run {run.id}{specs.length > 0 && ', but for parameters that you change below'}:</legend>
          {failed && <Choice name="from" chosen={from === 'failed'} choose={() => setFrom('failed')} label="From what failed" hint={cut ? 'chunks that completed are left out' : 'datasets that are complete are used again'} />}
          {own.length > 0 && <Choice name="from" chosen={from === 'task'} choose={() => setFrom('task')} label="From one task on" hint="it and everything after it" />}
          {from === 'task' && (
            <label class="field"><span class="field-label">Task</span>
              <select name="task" value={chosen} onChange={(event) => setTask(event.currentTarget.value)}>
                {tasks.map((name) => <option key={name} value={name}>{name}</option>)}
              </select></label>
          )}
          <Choice name="from" chosen={from === 'start'} choose={() => setFrom('start')} label="From the start" />
        </fieldset>
        {differs && (
          <fieldset class="options">
            <legend>{flow ? 'The flow has changed since:' : 'The flow may have changed since:'}</legend>
            <Choice name="plan" chosen={!pinned} choose={() => setPlan('newest')} label="As it is now" hint={flow && <>deployed <Ago at={flow.deployed_at} /></>} />
            <Choice name="plan" chosen={pinned} choose={() => setPlan('pinned')} label={`As it was for run ${run.id}`} />
          </fieldset>
        )}
        {specs.length > 0 && (
          <details class="more" open={specs.some((spec) => spec.required && keptOf(spec, run.params) === '')}>
            <summary>Other parameters</summary>
            {from !== 'start' && <p class="faint">What uses one that is changed runs again as well.</p>}
            {specs.map((spec) => <ParamField key={spec.name} spec={spec} otherwise={keptOf(spec, run.params)} />)}
          </details>
        )}
        {error && <ErrorNotice error={error} />}
        <div class="actions"><button type="button" class="button" onClick={close}>Close</button>
          <button type="submit" class="button button-strong" disabled={busy}>Run again</button></div>
      </form>
    </Dialog>
  );
}
