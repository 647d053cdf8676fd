// Client routes over the History API. The query is part of the route: filters survive reload, back and sharing.
import type { ComponentChildren } from 'preact';
import { Store, useStore } from './api/store';

export interface Place { path: string; query: URLSearchParams }

function read(): Place {
  return { path: window.location.pathname.replace(/\/+$/, '') || '/', query: new URLSearchParams(window.location.search) };
}

const place = new Store<Place>(read());
window.addEventListener('popstate', () => place.set(read()));

export const usePlace = (): Place => useStore(place);

export function go(href: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') window.history.pushState(null, '', href);
  else window.history.replaceState(null, '', href);
  const before = place.get().path;
  place.set(read());
  if (before !== place.get().path) {
    window.scrollTo(0, 0);
    // Screen readers and the keyboard go on where the new page begins.
    window.requestAnimationFrame(() => document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true }));
  }
}

/** Changes members of the query; null removes one. */
export function changeQuery(members: Record<string, string | null>): void {
  const { path, query } = read();
  for (const [name, value] of Object.entries(members)) {
    if (value === null || value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  go(text === '' ? path : `${path}?${text}`, 'replace');
}

interface LinkProps {
  href: string;
  class?: string;
  title?: string;
  children?: ComponentChildren;
  'aria-label'?: string;
  'aria-current'?: 'page' | undefined;
  'data-row'?: boolean;
}

export function Link(props: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.defaultPrevented) return;
    event.preventDefault();
    go(props.href);
  };
  return <a {...props} onClick={follow} />;
}
