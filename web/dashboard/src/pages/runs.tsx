// All runs, filtered by flow and state; chunks open under their parent.
import { flowsRead } from '../api/flows';
import type { State } from '../api/documents';
import { useStore } from '../api/store';
import { LoadLegend } from '../parts/loads';
import { changeQuery, usePlace } from '../router';
import { activeStates } from '../words/states';
import { RunTable } from './run_table';

const filters: { name: string; label: string; states: State[] }[] = [
  { name: '', label: 'All', states: [] },
  { name: 'active', label: 'Active', states: activeStates },
  { name: 'failed', label: 'Failed', states: ['failed', 'crashed'] },
  { name: 'completed', label: 'Completed', states: ['completed'] },
  { name: 'cancelled', label: 'Cancelled', states: ['cancelled', 'skipped'] },
];

export function RunsPage() {
  const { query } = usePlace();
  const flows = useStore(flowsRead);
  const flow = query.get('flow') ?? '';
  const chosen = query.get('state') ?? '';
  const states = filters.find((filter) => filter.name === chosen)?.states ?? [];
  const names = (flows ?? []).map((one) => one.name);
  if (flow !== '' && !names.includes(flow)) names.push(flow);
  return (
    <div class="page runs-page">
      <div class="section-head">
        <h1>Runs</h1>
        <div class="segments" role="group" aria-label="State">
          {filters.map(({ name, label }) => (
            <button key={name} type="button" aria-pressed={chosen === name} onClick={() => changeQuery({ state: name })}>{label}</button>
          ))}
        </div>
        <label class="choice"><span class="hidden-visually">Flow</span>
          <select data-search value={flow} onChange={(event) => changeQuery({ flow: event.currentTarget.value })}>
            <option value="">All flows</option>
            {names.map((name) => <option key={name} value={name}>{name}</option>)}
          </select></label>
        <LoadLegend />
      </div>
      <RunTable flow={flow} states={states} filtered={flow !== '' || chosen !== ''} clear={() => changeQuery({ flow: null, state: null })} />
    </div>
  );
}
