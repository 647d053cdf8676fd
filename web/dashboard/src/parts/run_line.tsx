// A run on two lines, for narrow lists.
import type { Run } from '../api/documents';
import { isFinal } from '../api/documents';
import { flowsRead, zoneOf } from '../api/flows';
import { useStore } from '../api/store';
import { Link } from '../router';
import { intervalText } from '../words/figures';
import { trialInWords, triggerInWords } from '../words/states';
import { LoadLine, total } from './loads';
import { CountsBar, runCounts } from './progress';
import { StateMark, WarningsTag } from './state';
import { Ago, Elapsed } from './time';

export function RunLine({ run }: { run: Run }) {
  const flows = useStore(flowsRead);
  const trial = trialInWords(run);
  const trigger = triggerInWords(run.trigger) + (trial ? `, ${trial}` : '');
  return (
    <Link href={`/runs/${run.id}`} class="run-line" data-row>
      <StateMark of={run} size={18} />
      <span class="run-line-main">
        <span class="run-line-flow">{run.chunk ? `Chunk ${run.chunk.number} of ${run.chunk.of}` : run.flow} <span class="faint">#{run.id}</span> <WarningsTag of={run} /></span>
        <span class="faint run-line-note">
          {isFinal(run.state) ? (run.interval ? intervalText(run.interval, zoneOf(run.flow, flows)) + (trial ? `, ${trial}` : '') : trigger) : <CountsBar counts={runCounts(run)} otherwise={run.message || trigger} />}
        </span>
      </span>
      <span class="run-line-end"><Elapsed of={run} /><span class="faint"><Ago at={run.finished_at ?? run.started_at ?? run.created_at} /></span></span>
      <span class="run-line-loads"><LoadLine counts={total(run.loads)} /></span>
    </Link>
  );
}
