// Log lines with search, a filter by level, and a view that follows the end.
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { isFinal, type LogLine, type RunDetail } from '../api/documents';
import { useLogs } from '../api/logs';
import { Icon } from '../parts/icon';
import { ErrorNotice } from '../parts/notices';
import { VirtualRows } from '../parts/virtual_rows';
import { absolute, count, itemText, logTime, plain, wrapped } from '../words/figures';

const levels: Record<string, number> = { trace: 0, debug: 0, info: 1, warn: 2, warning: 2, error: 3, critical: 3, fatal: 3 };
const rank = (line: LogLine): number => levels[line.level?.toLowerCase()] ?? 1;
const rowHeight = 22;
/** An error is shown whole, within reason; a click on it shows what is more. */
const mostLines = 20;

/** Colour codes of a user's command, and control characters that would disturb the page. */
const noise = /\u001b\[[0-9;?]*[A-Za-z]|[\u0000-\u0008\u000b-\u001f\u007f]/g;

function Marked({ text, search }: { text: string; search: string }) {
  if (search === '') return <>{text}</>;
  const lower = text.toLowerCase().replaceAll('\n', ' '); // a wrapped line's breaks were spaces
  const parts = [];
  let from = 0;
  for (let at = lower.indexOf(search); at >= 0 && parts.length < 200; at = lower.indexOf(search, from)) {
    if (at > from) parts.push(text.slice(from, at));
    parts.push(<mark key={at}>{text.slice(at, at + search.length)}</mark>);
    from = at + search.length;
  }
  parts.push(text.slice(from));
  return <>{parts}</>;
}

/** An unseen line beside the log, which tells how many characters of a text have room. */
function useRoom() {
  const own = useRef<HTMLSpanElement>(null);
  const [room, setRoom] = useState(0);
  useLayoutEffect(() => {
    const probe = own.current;
    const one = probe?.firstElementChild;
    if (!probe || !one) return undefined;
    const measure = () => setRoom(Math.floor(probe.clientWidth / (one.getBoundingClientRect().width / 10)) - 1);
    const observer = new ResizeObserver(measure);
    observer.observe(probe);
    measure();
    return () => observer.disconnect();
  }, []);
  return { own, room };
}

interface Props { run: RunDetail; task: string | null; item: unknown }

export function LogPanel({ run, task, item }: Props) {
  const [search, setSearch] = useState('');
  const [tooLong, setTooLong] = useState(false);
  const logs = useLogs(run.id, task, tooLong ? search.trim() : ''); // what the page does not hold, the daemon looks for
  if (logs.dropped > 0 && !tooLong) setTooLong(true);
  const [least, setLeast] = useState(0);
  const [follow, setFollow] = useState(!isFinal(run.state));
  const [open, setOpen] = useState<LogLine>();
  const wanted = search.trim().toLowerCase();
  const chosen = item === undefined ? undefined : JSON.stringify(item);

  const shown = useMemo(() => logs.lines.filter((line) =>
    rank(line) >= least && (wanted === '' || line.text.toLowerCase().includes(wanted) || (line.task ?? '').toLowerCase().includes(wanted))
    && (chosen === undefined || JSON.stringify(line.item) === chosen)), [logs.lines, least, wanted, chosen]);
  const copy = () => void navigator.clipboard?.writeText(shown.map((line) => `${line.at} ${line.task ?? ''} ${line.level} ${line.text}`).join('\n'));
  const showTask = task === null;
  const { own, room } = useRoom();
  /** Errors and their remedies are wrapped, all else is cut. */
  const linesIn = useCallback((line: LogLine): string[] => {
    const text = line.text.replace(noise, ' ');
    return room > 10 && rank(line) === 3 ? wrapped(text.replaceAll('\n', ' '), room, mostLines) : [text];
  }, [room]);
  const linesOf = useCallback((line: LogLine) => (rank(line) === 3 ? linesIn(line).length : 1), [linesIn]);

  return (
    <div class="card log">
      <div class="log-bar">
        <label class="search"><span class="hidden-visually">Search the log</span><Icon name="search" />
          <input type="search" placeholder="Search" data-search value={search} onInput={(event) => setSearch(event.currentTarget.value)} /></label>
        <label class="choice"><span class="hidden-visually">Level</span>
          <select value={least} onChange={(event) => setLeast(Number(event.currentTarget.value))}>
            <option value={0}>All levels</option><option value={1}>Info and above</option><option value={2}>Warnings and errors</option><option value={3}>Errors</option>
          </select></label>
        <span class="faint log-count" role="status">{wanted !== '' || least > 0 || chosen !== undefined ? `${count(shown.length)} of ${count(logs.lines.length)}` : count(logs.lines.length)} {logs.lines.length === 1 ? 'line' : 'lines'}</span>
        {navigator.clipboard && <button type="button" class="icon-button" aria-label="Copy the lines" title="Copy the lines" onClick={copy}><Icon name="copy" size={14} /></button>}
        <button type="button" class="button" aria-pressed={follow} onClick={() => setFollow(!follow)}><Icon name="follow" size={14} />Follow</button>
      </div>
      {logs.error && <ErrorNotice error={logs.error} />}
      <div class="log-probe" aria-hidden="true"><time>00:00:00.000</time><span class="log-level" />{showTask && <span class="log-task" />}<span ref={own} class="log-text"><span>0000000000</span></span></div>
      {shown.length === 0
        ? <p class="log-none faint">{logs.loading ? 'Reading.' : logs.lines.length > 0 ? 'No line matches.' : logs.end || isFinal(run.state) ? 'Nothing was logged.' : 'Lines appear here as they are written.'}</p>
        : <VirtualRows class="log-lines" items={shown} rowHeight={rowHeight} linesOf={linesOf} follow={follow} onFollow={setFollow} label="Log lines"
            keyOf={(line) => `${line.task ?? line.at} ${line.attempt} ${line.line} ${plain(line.item)}`}
            row={(line) => (
              <button type="button" class={`log-line log-${rank(line)}`} aria-pressed={open === line} onClick={() => setOpen(open === line ? undefined : line)}>
                <time dateTime={line.at} title={absolute(line.at)}>{logTime(line.at)}</time>
                <span class="log-level">{line.level}</span>
                {showTask && <span class="log-task">{line.task}</span>}
                <span class="log-text"><Marked text={linesIn(line).join('\n')} search={wanted} /></span>
              </button>
            )} />}
      {open && (
        <div class="log-open" role="region" aria-label="The whole line">
          <button type="button" class="icon-button" aria-label="Close the line" onClick={() => setOpen(undefined)}><Icon name="close" size={13} /></button>
          <p class="faint">{absolute(open.at)}{open.task !== null && ` · ${open.task}`}{open.item != null && ` · ${itemText(open.item)}`}{open.task !== null && ` · attempt ${open.attempt} · line ${open.line}`} · {open.level}</p>
          <pre tabIndex={0}>{open.text.replace(noise, ' ')}</pre>
        </div>
      )}
    </div>
  );
}
