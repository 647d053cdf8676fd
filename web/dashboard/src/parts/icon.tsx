// Line icons, drawn here: one 16-unit grid, the colour of the text around them. They are decoration; words stand beside.
const paths: Record<string, string> = {
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 4.8V8l2.2 1.6',
  ring: 'M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6',
  play: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M6.7 5.4 10.6 8l-3.9 2.6z',
  again: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  pause: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M6.3 5.8v4.4M9.7 5.8v4.4',
  check: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M5.4 8.2l1.9 1.9 3.4-3.9',
  cross: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M6 6l4 4M10 6l-4 4',
  bolt: 'M8 1.6 14.6 13.4H1.4zM8 6v3.2M8 11.2v.3',
  stop: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M6 6h4v4H6z',
  skip: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M5.4 8h5.2',
  start: 'M4.5 2.8v10.4L13 8z',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M3 13l1.2-1.2M11.8 4.2 13 3',
  moon: 'M13.2 9.8A5.6 5.6 0 0 1 6.2 2.8a5.6 5.6 0 1 0 7 7z',
  screen: 'M2 3h12v8H2zM5.5 13.5h5M8 11v2.5',
  search: 'M7 2.4a4.6 4.6 0 1 0 0 9.2 4.6 4.6 0 0 0 0-9.2M10.4 10.4 14 14',
  right: 'M6 3.5 10.5 8 6 12.5',
  down: 'M3.5 6 8 10.5 12.5 6',
  close: 'M4 4l8 8M12 4l-8 8',
  follow: 'M8 2.5v9M4 8l4 4 4-4M3 14h10',
  branch: 'M4.5 3v10M4.5 6.5c0 3 7 1 7 4.5V13M11.5 13v0',
  list: 'M5.5 4H14M5.5 8H14M5.5 12H14M2.4 4h.2M2.4 8h.2M2.4 12h.2',
  graph: 'M2 6h4v4H2zM10 2h4v4h-4zM10 10h4v4h-4zM6 8h2V4h2M8 8v4h2',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
};

export function Icon({ name, size = 16 }: { name: string; size?: number }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 16 16" width={size} height={size} aria-hidden="true" focusable="false">
      <path d={paths[name] ?? paths.ring ?? ''} />
    </svg>
  );
}
