// The frame around the pages: navigation, connection, theme, keyboard.
import { useEffect, useState } from 'preact/hooks';
import { useFlows } from './api/flows';
import { connection, connect } from './api/live';
import { useStore } from './api/store';
import { ConnectionNotice, ConnectionPill } from './parts/connection';
import { useShortcuts } from './parts/shortcuts';
import { ThemeChoice } from './parts/theme_choice';
import { FlowPage } from './pages/flow';
import { FlowsPage } from './pages/flows';
import { KeyPage } from './pages/key';
import { RunPage } from './pages/run';
import { RunsPage } from './pages/runs';
import { ShortcutHelp } from './parts/shortcuts';
import { EmptyState } from './parts/notices';
import { Link, usePlace } from './router';

function Wheel() {
  return (
    <svg class="wheel" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
      <circle cx="16" cy="13" r="8" /><path d="M16 5v16M8 13h16M10.4 7.4l11.2 11.2M21.6 7.4 10.4 18.6" />
      <path class="wheel-water" d="M2 26c2.8-2.6 5.6-2.6 8.4 0s5.6 2.6 8.4 0 5.6-2.6 8.4 0 2 .6 2.8 0" />
    </svg>
  );
}

export function App() {
  const { path } = usePlace();
  const live = useStore(connection);
  const flows = useFlows();
  const [help, setHelp] = useState(false);
  useShortcuts(() => setHelp(true));

  const [, section = '', name = ''] = path.split('/');
  const nav = (href: string, label: string, here: boolean) => (
    <Link href={href} class="nav-link" aria-current={here ? 'page' : undefined}>{label}</Link>
  );
  useEffect(() => {
    const titles: Record<string, string> = { '': 'Flows', flows: name || 'Flows', runs: name ? `Run ${name}` : 'Runs' };
    document.title = `${titles[section] ?? 'Not found'} · Millrace`;
  }, [path]);

  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <Link href="/" class="brand" aria-label="Millrace, flows"><Wheel /><span>Millrace</span></Link>
        <nav aria-label="Main">
          {nav('/', 'Flows', section === '' || section === 'flows')}
          {nav('/runs', 'Runs', section === 'runs')}
        </nav>
        <div class="top-end">
          <ConnectionPill />
          <button type="button" class="icon-button" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => setHelp(true)}><span class="key-hint">?</span></button>
          <ThemeChoice />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {live.state === 'refused' ? <KeyPage accepted={() => { flows.reload(); void connect(); }} /> : (
          section === '' || (section === 'flows' && !name) ? <FlowsPage flows={flows} />
          : section === 'flows' ? <FlowPage key={name} name={decodeURIComponent(name)} flows={flows} />
          : section === 'runs' && name === '' ? <RunsPage />
          : section === 'runs' && /^\d+$/.test(name) ? <RunPage key={name} id={Number(name)} />
          : <EmptyState title="There is no such page"><p><Link href="/">Go to the flows</Link></p></EmptyState>
        )}
      </main>
      <ConnectionNotice />
      {help && <ShortcutHelp close={() => setHelp(false)} />}
    </>
  );
}
