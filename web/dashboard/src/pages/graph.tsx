// Tasks as a graph from left to right: each in the column after the last task that it needs.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { State } from '../api/documents';
import { StateMark } from '../parts/state';

export interface GraphNode { name: string; verb: string; needs: string[]; state?: State; note?: string }

interface Props { nodes: GraphNode[]; label: string; selected?: string | null; select?: (name: string) => void }

const width = 168;
const height = 46;
const gapX = 40;
const gapY = 14;
const margin = 14;
/** It is scaled down to the width that there is, but stays readable: beyond that it scrolls. */
const smallest = 0.6;

interface Placed { node: GraphNode; x: number; y: number }

export function place(nodes: GraphNode[]): { placed: Map<string, Placed>; width: number; height: number } {
  const column = new Map<string, number>();
  const known = new Map(nodes.map((node) => [node.name, node]));
  const columnOf = (node: GraphNode, path: Set<string>): number => {
    const done = column.get(node.name);
    if (done !== undefined) return done;
    if (path.has(node.name)) return 0;
    path.add(node.name);
    const before = node.needs.map((need) => known.get(need)).filter((need) => need !== undefined).map((need) => columnOf(need, path) + 1);
    const result = Math.max(0, ...before);
    path.delete(node.name);
    column.set(node.name, result);
    return result;
  };
  const columns: GraphNode[][] = [];
  for (const node of nodes) (columns[columnOf(node, new Set())] ??= []).push(node);
  const tallest = Math.max(1, ...columns.map((one) => one.length));
  const placed = new Map<string, Placed>();
  columns.forEach((members, x) => {
    // A node stands near the middle of what it needs, which keeps most edges from crossing.
    const middle = (node: GraphNode) => {
      const ys = node.needs.map((need) => placed.get(need)?.y).filter((y) => y !== undefined);
      return ys.length === 0 ? 0 : ys.reduce((sum, y) => sum + y, 0) / ys.length;
    };
    const ordered = x === 0 ? members : [...members].sort((a, b) => middle(a) - middle(b));
    const offset = ((tallest - ordered.length) * (height + gapY)) / 2;
    ordered.forEach((node, y) => placed.set(node.name, { node, x: margin + x * (width + gapX), y: margin + offset + y * (height + gapY) }));
  });
  return {
    placed,
    width: 2 * margin + columns.length * width + Math.max(0, columns.length - 1) * gapX,
    height: 2 * margin + tallest * height + (tallest - 1) * gapY,
  };
}

export function Graph({ nodes, label, selected, select }: Props) {
  const layout = place(nodes);
  const placed = [...layout.placed.values()];
  const own = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(0);
  useLayoutEffect(() => {
    const element = own.current;
    if (!element) return undefined;
    const measure = () => setRoom(element.offsetWidth);
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  const scale = room > 0 ? Math.max(smallest, Math.min(1, room / layout.width)) : 1;
  return (
    <div ref={own} class="graph" role="group" aria-label={label} tabIndex={0}>
      <div class="graph-room" style={{ width: `${Math.floor(layout.width * scale)}px`, height: `${Math.ceil(layout.height * scale)}px` }}>
        <div class="graph-space" style={{ width: `${layout.width}px`, height: `${layout.height}px`, transform: scale < 1 ? `scale(${scale})` : 'none' }}>
          <svg class="graph-edges" width={layout.width} height={layout.height} aria-hidden="true">
            {placed.flatMap(({ node, x, y }) => node.needs.map((need) => {
              const from = layout.placed.get(need);
              if (!from) return null;
              const [x1, y1, x2, y2] = [from.x + width, from.y + height / 2, x, y + height / 2];
              const bend = Math.max(18, (x2 - x1) / 2);
              return <path key={`${need}>${node.name}`} d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />;
            }))}
          </svg>
          {placed.map(({ node, x, y }) => {
            const body = (
              <>
                {node.state && <StateMark of={{ state: node.state }} />}
                <span class="node-text"><span class="node-name">{node.name}</span><span class="faint">{node.note ?? node.verb}</span></span>
              </>
            );
            const style = { transform: `translate(${x}px, ${y}px)`, width: `${width}px`, height: `${height}px` };
            const needs = node.needs.length > 0 ? `, after ${node.needs.join(' and ')}` : '';
            return select ? (
              <button key={node.name} type="button" class="node" style={style} aria-pressed={selected === node.name} title={node.name + needs} onClick={() => select(node.name)}>{body}</button>
            ) : <div key={node.name} class="node" style={style} title={node.name + needs}>{body}</div>;
          })}
        </div>
      </div>
    </div>
  );
}
