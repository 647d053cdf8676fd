// The smallest observable value, and the hook that reads it.
import { useEffect, useState } from 'preact/hooks';

export class Store<T> {
  private readonly readers = new Set<() => void>();

  constructor(private value: T) {}

  get(): T {
    return this.value;
  }

  set(value: T): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const reader of [...this.readers]) reader();
  }

  subscribe(reader: () => void): () => void {
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }
}

export function useStore<T>(store: Store<T>): T {
  const [, setTick] = useState(0);
  const rendered = store.get();
  useEffect(() => {
    let seen = rendered;
    const check = () => {
      if (Object.is(seen, store.get())) return;
      seen = store.get();
      setTick((tick) => tick + 1);
    };
    check(); // The value may have changed between render and effect.
    return store.subscribe(check);
  }, [store]);
  return rendered;
}
