// Whether the page is live. A daemon that is away is said twice: in the corner at once, and in words when it lasts.
import { connection, connect } from '../api/live';
import { useStore } from '../api/store';
import { Icon } from './icon';
import { now } from './time';

export function ConnectionPill() {
  const { state } = useStore(connection);
  const words = { live: 'Live', connecting: 'Connecting', away: 'Away', refused: 'Key needed' }[state];
  return <span class={`pill pill-${state}`} role="status" title={state === 'live' ? 'Changes appear as they happen' : undefined}><span class="pill-dot" aria-hidden="true" />{words}</span>;
}

export function ConnectionNotice() {
  const live = useStore(connection);
  const present = useStore(now);
  if (live.state !== 'away') return null;
  const seconds = Math.max(0, Math.ceil((live.retryAt - present) / 1000));
  return (
    <div class="away" role="alert">
      <Icon name="bolt" size={18} />
      <div>
        <strong>The daemon is away.</strong> What you see may be old; runs go on without this page.{' '}
        <span class="faint">{seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again now.'}</span>
      </div>
      <button type="button" class="button" onClick={() => void connect()}>Try now</button>
    </div>
  );
}
