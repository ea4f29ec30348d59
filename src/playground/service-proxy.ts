import { renderServiceRules } from './service-rules';
import { run } from './tools';
import type { Store } from './types';

/** Keeps the kernel's rules equal to the services and endpoints of the store, and nothing between: each change is one transaction. */
export class ServiceProxy {
  readonly #store: Store;
  readonly #pods = new Set<string>();
  readonly #undo: (() => void)[];
  #dirty = false;
  #applied = '';
  #running: Promise<void> | undefined;

  constructor(store: Store) {
    this.#store = store;
    const changed = () => this.#schedule();
    this.#undo = [store.subscribe('services', changed), store.subscribe('endpoints', changed)];
  }

  addPod(address: string): void {
    this.#pods.add(address);
  }

  removePod(address: string): void {
    this.#pods.delete(address);
    this.#schedule();
  }

  /** Resolves when the rules of this moment are in the kernel. */
  async flush(): Promise<void> {
    this.#schedule();
    while (this.#running) await this.#running;
  }

  stop(): void {
    for (const undo of this.#undo) undo();
  }

  #schedule(): void {
    this.#dirty = true;
    this.#running ??= this.#apply().finally(() => {
      this.#running = undefined;
    });
  }

  async #apply(): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false;
      // One turn later, so that the changes of one rollout step become one transaction.
      await new Promise((resolve) => setImmediate(resolve));
      const rules = renderServiceRules(this.#store.list('services'), this.#store.list('endpoints'), [...this.#pods]);
      if (rules === this.#applied) continue;
      try {
        await run('nft', ['-f', '-'], { input: rules });
        this.#applied = rules;
      } catch (error) {
        console.error('playground: service rules were not applied:', (error as Error).message);
      }
    }
  }
}
