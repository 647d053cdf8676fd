// A list of which only the rows in sight exist, so that its length costs nothing. All rows have one height.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface Props<T> {
  items: T[];
  rowHeight: number;
  /** Rows are positioned by their wrapper; `index` counts from 0. */
  row: (item: T, index: number) => ComponentChildren;
  keyOf: (item: T, index: number) => string | number;
  label: string;
  class?: string;
  /** Called when the end comes into sight: more may be read. */
  onEnd?: () => void;
  /** Keeps the last row in sight until the reader scrolls up; `onFollow(false)` then. */
  follow?: boolean;
  onFollow?: (follow: boolean) => void;
  /** Scrolls this row into sight when it changes. */
  reveal?: number;
}

const overscan = 8;

export function VirtualRows<T>(props: Props<T>) {
  const { items, rowHeight, follow = false } = props;
  const own = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const lastTop = useRef(0);

  useLayoutEffect(() => {
    const element = own.current;
    if (!element) return undefined;
    const measure = () => setView((old) => (old.height === element.clientHeight ? old : { ...old, height: element.clientHeight }));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = own.current;
    if (follow && element) element.scrollTop = element.scrollHeight;
  }, [follow, items.length, view.height]);

  useEffect(() => {
    const element = own.current;
    if (!element || props.reveal === undefined || props.reveal < 0) return;
    const top = props.reveal * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + element.clientHeight) element.scrollTop = top + rowHeight - element.clientHeight;
  }, [props.reveal]);

  const scrolled = () => {
    const element = own.current;
    if (!element) return;
    const top = element.scrollTop;
    const atEnd = top + element.clientHeight >= element.scrollHeight - 4;
    if (follow && top < lastTop.current - 2 && !atEnd) props.onFollow?.(false);
    lastTop.current = top;
    setView({ top, height: element.clientHeight });
  };

  const first = Math.max(0, Math.floor(view.top / rowHeight) - overscan);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + overscan);

  useEffect(() => {
    if (last >= items.length - 20) props.onEnd?.();
  }, [last, items.length]);

  return (
    <div ref={own} class={`virtual ${props.class ?? ''}`} role="list" aria-label={props.label} tabIndex={0} onScroll={scrolled}>
      <div class="virtual-space" role="presentation" style={{ height: `${items.length * rowHeight}px` }}>
        {items.slice(first, last).map((item, offset) => {
          const index = first + offset;
          return (
            <div key={props.keyOf(item, index)} role="listitem" class="virtual-row" aria-setsize={items.length} aria-posinset={index + 1}
              style={{ height: `${rowHeight}px`, transform: `translateY(${index * rowHeight}px)` }}>
              {props.row(item, index)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
