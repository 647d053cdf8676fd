// Light, dark, or as the system has it. theme.ts reads the choice before the first paint.
import { useState } from 'preact/hooks';
import { Icon } from './icon';

const choices = ['system', 'light', 'dark'] as const;
type Choice = (typeof choices)[number];
const icons: Record<Choice, string> = { system: 'screen', light: 'sun', dark: 'moon' };

function current(): Choice {
  const set = document.documentElement.dataset.theme;
  return set === 'light' || set === 'dark' ? set : 'system';
}

export function ThemeChoice() {
  const [choice, setChoice] = useState<Choice>(current);
  const next = choices[(choices.indexOf(choice) + 1) % choices.length] ?? 'system';
  const choose = () => {
    if (next === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === 'system') localStorage.removeItem('millrace.theme');
      else localStorage.setItem('millrace.theme', next);
    } catch {
      // Storage may be forbidden; the choice lasts until the page is left.
    }
    setChoice(next);
  };
  return (
    <button type="button" class="icon-button" onClick={choose} aria-label={`Theme: ${choice}. Change to ${next}`} title={`Theme: ${choice}`}>
      <Icon name={icons[choice]} />
    </button>
  );
}
