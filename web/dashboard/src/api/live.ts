// The stream of changes (`GET events`): one connection per tab, shared by all pages. It is read with fetch, not with
// EventSource, which could show no key and would not notice a connection that died silently.
import { useEffect, useRef } from 'preact/hooks';
import { authorization } from './client';
import { Store } from './store';

export interface LiveEvent { type: string; data: Record<string, unknown> }

export type Connection =
  | { state: 'connecting' }
  | { state: 'live' }
  | { state: 'refused' }                 // 401 or 403: only a key helps
  | { state: 'away'; retryAt: number };  // milliseconds since 1970

export const connection = new Store<Connection>({ state: 'connecting' });

/** Grows with each re-connection: whatever was read before may be stale and is read again. */
export const epoch = new Store(0);

const readers = new Set<(events: LiveEvent[]) => void>();
let waiting: LiveEvent[] = [];
let flushTimer: number | undefined;
let retryTimer: number | undefined;
let current: AbortController | undefined;
let failures = 0;

/** Events reach the pages at most ten times a second, so that a run of 10,000 task runs does not drown the browser. */
const gatherMs = 100;
/** The daemon sends a comment when nothing happens; a longer silence means that the connection is dead. */
const silenceMs = 45_000;
const hiddenMs = 60_000;

function flush(): void {
  flushTimer = undefined;
  const events = waiting;
  waiting = [];
  for (const reader of [...readers]) reader(events);
}

function receive(event: LiveEvent): void {
  waiting.push(event);
  flushTimer ??= window.setTimeout(flush, gatherMs);
}

function parseBlock(block: string): LiveEvent | undefined {
  let type = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) type = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
  }
  if (data.length === 0) return undefined;
  try {
    return { type, data: JSON.parse(data.join('\n')) as Record<string, unknown> };
  } catch {
    return undefined;
  }
}

async function readStream(body: ReadableStream<Uint8Array<ArrayBuffer>>, alive: () => void): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    text += value.replaceAll('\r\n', '\n');
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = parseBlock(text.slice(0, end));
      text = text.slice(end + 2);
      if (event) receive(event);
    }
  }
}

export async function connect(): Promise<void> {
  window.clearTimeout(retryTimer);
  current?.abort();
  const mine = new AbortController();
  current = mine;
  if (connection.get().state !== 'away') connection.set({ state: 'connecting' });
  let silence = window.setTimeout(() => mine.abort(), silenceMs);
  try {
    const response = await fetch('/api/v1/events', {
      signal: mine.signal, credentials: 'same-origin', cache: 'no-store',
      headers: { Accept: 'text/event-stream', ...authorization() },
    });
    if (response.status === 401 || response.status === 403) {
      connection.set({ state: 'refused' });
      return;
    }
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    failures = 0;
    connection.set({ state: 'live' });
    epoch.set(epoch.get() + 1);
    await readStream(response.body, () => {
      window.clearTimeout(silence);
      silence = window.setTimeout(() => mine.abort(), silenceMs);
    });
  } catch {
    // Whatever the reason, the cure is the same: connect again.
  } finally {
    window.clearTimeout(silence);
    if (current === mine && connection.get().state !== 'refused') connectLater();
  }
}

function connectLater(): void {
  const base = Math.min(8000, 500 * 2 ** Math.min(failures, 5));
  const delay = base * (0.75 + Math.random() / 2);
  failures += 1;
  connection.set({ state: 'away', retryAt: Date.now() + delay });
  window.clearTimeout(retryTimer);
  retryTimer = window.setTimeout(() => void connect(), delay);
}

/** Opens the stream and keeps it open while the tab is seen: browsers grant few connections to one host. */
export function startLive(): void {
  let hideTimer: number | undefined;
  document.addEventListener('visibilitychange', () => {
    window.clearTimeout(hideTimer);
    if (document.hidden) {
      hideTimer = window.setTimeout(() => {
        const old = current;
        current = undefined;
        window.clearTimeout(retryTimer);
        old?.abort();
      }, hiddenMs);
    } else if (!current || connection.get().state === 'away') {
      void connect();
    }
  });
  window.addEventListener('online', () => void connect());
  void connect();
}

/** Calls `read` with each batch of events while the component is there. */
export function useLive(read: (events: LiveEvent[]) => void): void {
  const latest = useRef(read);
  latest.current = read;
  useEffect(() => {
    const reader = (events: LiveEvent[]) => latest.current(events);
    readers.add(reader);
    return () => {
      readers.delete(reader);
    };
  }, []);
}
