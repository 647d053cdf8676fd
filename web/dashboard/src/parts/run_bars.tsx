// The last runs of a flow as bars: height is duration, shape and colour the state. Each leads to its run.
import type { LastRun } from '../api/documents';
import { isFailure } from '../api/documents';
import { duration, relative } from '../words/figures';
import { elapsed, trialInWords, wordFor } from '../words/states';
import { Link } from '../router';

const most = 14;

export function RunBars({ runs, flow }: { runs: LastRun[]; flow: string }) {
  const shown = [...runs].sort((a, b) => a.id - b.id).slice(-most);
  if (shown.length === 0) return <span class="faint bars-none">never ran</span>;
  const present = Date.now();
  const times = shown.map((run) => elapsed({ started_at: run.started_at ?? run.created_at, finished_at: run.finished_at }, present) ?? 0);
  const longest = Math.max(...times, 1);
  return (
    <ul class="bars" aria-label={`Last runs of ${flow}, oldest first`}>
      {shown.map((run, index) => {
        const ms = times[index] ?? 0;
        const words = `Run ${run.id}, ${[wordFor(run).toLowerCase(), trialInWords(run)].filter(Boolean).join(', ')}, ${duration(ms)}, ${relative(Date.parse(run.created_at), present)}`;
        return (
          <li key={run.id}>
            <Link href={`/runs/${run.id}`} class={`bar state-${run.state}`} title={words} aria-label={words}>
              <span class={`bar-fill${isFailure(run.state) ? ' bar-failed' : ''}`}
                style={{ height: `${Math.round(22 + 78 * Math.sqrt(ms / longest))}%` }} />
            </Link>
          </li>
        );
      })}
    </ul>
  );
}
