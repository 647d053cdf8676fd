// What a page says when there is nothing to show, or when reading failed.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiError } from '../api/client';
import { Icon } from './icon';

/** Says what to do next. */
export function EmptyState({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <svg class="empty-art" viewBox="0 0 120 48" width="120" height="48" aria-hidden="true">
        <circle cx="60" cy="20" r="14" /><path d="M60 6v28M46 20h28M50 10l20 20M70 10 50 30" />
        <path d="M6 42c8-6 16-6 24 0s16 6 24 0 16-6 24 0 16 6 24 0 8-4 12-5" />
      </svg>
      <h2>{title}</h2>
      <div class="empty-text">{children}</div>
    </div>
  );
}

export function ErrorNotice({ error, retry }: { error: ApiError; retry?: () => void }) {
  return (
    <div class="notice notice-error" role="alert">
      <Icon name="bolt" />
      <div>
        <p>{error.message}</p>
        {error.remedy && <p class="remedy">{error.remedy}</p>}
      </div>
      {retry && <button type="button" class="button" onClick={retry}>Try again</button>}
    </div>
  );
}

/** Placeholder rows; they appear only when reading takes longer than a blink. */
export function Skeleton({ rows, height }: { rows: number; height: number }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setShown(true), 200);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <div class={shown ? 'skeleton' : 'skeleton skeleton-wait'} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => <div key={index} class="skeleton-row" style={{ height: `${height}px` }}><span /></div>)}
    </div>
  );
}
