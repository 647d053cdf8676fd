// Instants and durations that stay right while one looks at them. One timer serves all.
import { Store, useStore } from '../api/store';
import { absolute, duration, relative } from '../words/figures';
import { elapsed } from '../words/states';

export const now = new Store(Date.now());
window.setInterval(() => {
  if (!document.hidden) now.set(Date.now());
}, 1000);

/** "3 min ago" with the exact time on hover. */
export function Ago({ at, prefix = '' }: { at: string | null | undefined; prefix?: string }) {
  const present = useStore(now);
  if (!at) return <span class="faint">–</span>;
  return <time dateTime={at} title={absolute(at)}>{prefix}{relative(Date.parse(at), present)}</time>;
}

export function Elapsed({ of }: { of: { started_at: string | null; finished_at: string | null } }) {
  const present = useStore(now);
  const ms = elapsed(of, present);
  if (ms === undefined) return <span class="faint">–</span>;
  const running = !of.finished_at;
  return <span class="figure">{running && ms >= 1000 ? duration(Math.floor(ms / 1000) * 1000).replace('.0 s', ' s') : duration(ms)}</span>;
}
