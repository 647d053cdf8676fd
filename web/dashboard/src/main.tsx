import { render } from 'preact';
import { startLive } from './api/live';
import { App } from './app';

startLive();
const root = document.getElementById('app');
if (root) render(<App />, root);
