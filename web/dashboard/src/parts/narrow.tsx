// Whether the window is narrow, for what CSS cannot decide: the height of virtual rows.
import { Store, useStore } from '../api/store';

const media = window.matchMedia('(max-width: 760px)');
const narrow = new Store(media.matches);
media.addEventListener('change', () => narrow.set(media.matches));

export const useNarrow = (): boolean => useStore(narrow);
