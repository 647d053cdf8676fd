// The keyboard: g f, g r, /, j, k, s, ?. Single keys do nothing while one types.
import { useEffect, useRef } from 'preact/hooks';
import { go } from '../router';
import { Dialog } from './dialog';

const shortcuts: [string, string][] = [
  ['g f', 'Flows'],
  ['g r', 'Runs'],
  ['/', 'Search or filter'],
  ['j  k', 'Next and previous row'],
  ['Enter', 'Open the row'],
  ['s', 'Start the flow (on a flow or its focused row)'],
  ['l  d', 'Log lines, details (on a run)'],
  ['Esc', 'Leave a field, close a dialog'],
  ['?', 'This list'],
];

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}

function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')];
  const here = rows.findIndex((row) => row === document.activeElement || row.closest('.row')?.contains(document.activeElement));
  const next = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : here + step];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

/** Presses the button with this `data-shortcut`: the one in the focused row, else the first of the page. */
function press(name: string): boolean {
  const selector = `[data-shortcut="${name}"]`;
  const button = document.activeElement?.closest('.row')?.querySelector<HTMLElement>(selector) ?? document.querySelector<HTMLElement>(`main ${selector}`);
  button?.click();
  return Boolean(button);
}

export function useShortcuts(help: () => void): void {
  const pending = useRef(0);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && typing(event.target) && !document.querySelector('dialog[open]')) (event.target as HTMLElement).blur();
      if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target) || document.querySelector('dialog[open]')) return;
      const afterG = Date.now() - pending.current < 1200;
      pending.current = 0;
      let done = true;
      if (afterG && event.key === 'f') go('/');
      else if (afterG && event.key === 'r') go('/runs');
      else if (event.key === 'g') pending.current = Date.now();
      else if (event.key === '/') document.querySelector<HTMLElement>('main [data-search]')?.focus();
      else if (event.key === 'j') moveRow(1);
      else if (event.key === 'k') moveRow(-1);
      else if (event.key === '?') help();
      else if (['s', 'l', 'd'].includes(event.key)) done = press(event.key);
      else done = false;
      if (done) event.preventDefault();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
}

export function ShortcutHelp({ close }: { close: () => void }) {
  return (
    <Dialog title="Keyboard" close={close}>
      <dl class="shortcuts">
        {shortcuts.map(([keys, what]) => (
          <div key={keys}><dt>{keys.split(/ +/).map((key) => <kbd key={key}>{key}</kbd>)}</dt><dd>{what}</dd></div>
        ))}
      </dl>
    </Dialog>
  );
}
