// Requests to the daemon. Every failure is an ApiError that a page can show as it is.
import type { Page, Problem } from './documents';

/** `status` 0: the daemon did not answer. `message` is one sentence for the reader; `remedy` may be empty. */
export class ApiError extends Error {
  constructor(readonly status: number, message: string, readonly remedy: string) {
    super(message);
  }
}

const keyName = 'millrace.key';

/** The key of this tab; kept no longer than the tab, since anyone at the computer could read it. */
export function apiKey(): string | null {
  try {
    return sessionStorage.getItem(keyName);
  } catch {
    return null;
  }
}

export function setApiKey(key: string): void {
  sessionStorage.setItem(keyName, key);
}

export function authorization(): Record<string, string> {
  const key = apiKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal, headers: Record<string, string> = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      signal: signal ?? null,
      headers: {
        Accept: 'application/json',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...authorization(),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch (failure) {
    if (failure instanceof DOMException && failure.name === 'AbortError') throw failure;
    throw new ApiError(0, 'The daemon does not answer.', 'This page tries again by itself; `systemctl status millrace` tells why it is away.');
  }
  const text = await response.text();
  if (!response.ok) throw problemOf(response, text);
  try {
    return (text === '' ? null : JSON.parse(text)) as T;
  } catch {
    throw new ApiError(response.status, 'The daemon answered with something that is not JSON.', 'A proxy in between may have replaced the answer.');
  }
}

function problemOf(response: Response, text: string): ApiError {
  let problem: Problem = {};
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    // A proxy's error page: the status line is all there is to say.
  }
  const said = problem.detail || problem.title || `The request was refused with status ${response.status}.`;
  return new ApiError(response.status, said, problem.remedy ?? '');
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => request<T>('GET', path, undefined, signal);

export const post = <T>(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<T> =>
  request<T>('POST', path, body, undefined, headers);

export const patch = <T>(path: string, body: unknown): Promise<T> => request<T>('PATCH', path, body);

/** All pages of a list, at most `most` items. */
export async function getAll<T>(path: string, signal?: AbortSignal, most = 20000): Promise<T[]> {
  const items: T[] = [];
  let after: string | null = null;
  do {
    const page: Page<T> = await get<Page<T>>(after === null ? path : withQuery(path, { after }), signal);
    items.push(...page.items);
    after = page.next ?? null;
  } while (after !== null && items.length < most);
  return items;
}

/** `path?a=1&b=2`; members that are empty, null or undefined are left out. */
export function withQuery(path: string, members: Record<string, string | number | null | undefined>): string {
  const [base, existing] = path.split('?');
  const query = new URLSearchParams(existing ?? '');
  for (const [name, value] of Object.entries(members))
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value));
  const text = query.toString();
  return text === '' ? (base ?? '') : `${base}?${text}`;
}

/** crypto.randomUUID exists only on https and localhost; a daemon may well be reached by plain http in a private network. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
