// A list of which only the rows in sight exist, so that its length costs nothing. All rows have one height, or a multiple
// of it.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

interface Props<T> {
  items: T[];
  rowHeight: number;
  /** How many times `rowHeight` a row takes, 1 where absent. One function as long as its answers stay. */
  linesOf?: ((item: T) => number) | undefined;
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
  const { items, rowHeight, linesOf, follow = false } = props;
  const own = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const lastTop = useRef(0);
  /** Where each row begins and, last, where all end, in lines; undefined where each has one. */
  const starts = useMemo(() => {
    if (!linesOf) return undefined;
    const result = [0];
    let at = 0;
    for (const item of items) result.push(at += linesOf(item));
    return at === items.length ? undefined : result;
  }, [items, linesOf]);
  const topOf = (index: number) => (starts?.[index] ?? index) * rowHeight;
  /** The row at a height, counted from the top. */
  const rowAt = (top: number) => {
    if (!starts) return Math.floor(top / rowHeight);
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (topOf(middle) <= top) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const height = topOf(items.length);

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
  }, [follow, height, view.height]);

  useEffect(() => {
    const element = own.current;
    if (!element || props.reveal === undefined || props.reveal < 0) return;
    const top = topOf(props.reveal);
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

  const first = Math.max(0, rowAt(view.top) - overscan);
  const last = Math.min(items.length, rowAt(view.top + view.height) + 1 + overscan);

  useEffect(() => {
    if (last >= items.length - 20) props.onEnd?.();
  }, [last, items.length]);

  return (
    <div ref={own} class={`virtual ${props.class ?? ''}`} role="list" aria-label={props.label} tabIndex={0} onScroll={scrolled}>
      <div class="virtual-space" role="presentation" style={{ height: `${height}px` }}>
        {items.slice(first, last).map((item, offset) => {
          const index = first + offset;
          return (
            <div key={props.keyOf(item, index)} role="listitem" class="virtual-row" aria-setsize={items.length} aria-posinset={index + 1}
              style={{ height: `${topOf(index + 1) - topOf(index)}px`, transform: `translateY(${topOf(index)}px)` }}>
              {props.row(item, index)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
