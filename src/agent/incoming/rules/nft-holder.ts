import { NftTable } from './nft-table';
import { createTable, keepTracking, replaceRules } from './nft-text';
import type { HolderOptions, Redirect, RuleHolder } from './rules';

/**
 * Two tables of one `nft` each. One redirects. The other redirects nothing and keeps the kernel translating addresses: when
 * the first is killed, new connections are the pod's at once, and those that are redirected go on to their end. Without
 * it each of them would hang until its caller gives up.
 */
export class NftHolder implements RuleHolder {
  readonly #options: HolderOptions;
  #redirecting: NftTable | undefined;
  #keeping: NftTable | undefined;
  #closed = false;

  /** Rejects with RULES_UNAVAILABLE where there is no nft, or the kernel knows no tables with an owner. */
  static async start(options: HolderOptions): Promise<NftHolder> {
    const holder = new NftHolder(options);
    try {
      await holder.replace([]);
      return holder;
    } catch (error) {
      void holder.close();
      throw error;
    }
  }

  private constructor(options: HolderOptions) {
    this.#options = options;
  }

  async replace(redirects: Redirect[]): Promise<void> {
    await Promise.all([this.#redirect(redirects), this.#keep()]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#redirecting?.close();
    this.#keeping?.close();
  }

  async #redirect(redirects: Redirect[]): Promise<void> {
    const { id, exemption, onLost } = this.#options;
    const name = `mirrord_${id}`;
    const known = this.#redirecting;
    let installed = known !== undefined;
    const table =
      known ??
      new NftTable(name, (reason) => {
        if (this.#redirecting === table) this.#redirecting = undefined;
        if (installed && !this.#closed) onLost(reason);
      });
    this.#redirecting = table;
    await table.install((mark) => {
      const rules = replaceRules(name, redirects, exemption, mark);
      return known ? rules : `${createTable(name)}; ${rules}`;
    });
    installed = true;
  }

  /** Once, and again whenever it was lost. */
  async #keep(): Promise<void> {
    if (this.#keeping) return;
    const name = `mirrord_${this.#options.id}_keep`;
    let installed = false;
    const table = new NftTable(name, () => {
      if (this.#keeping === table) this.#keeping = undefined;
      // The other table does the same meanwhile, so that nothing hangs on how soon this one is back.
      if (installed && !this.#closed) this.#keep().catch(() => {});
    });
    this.#keeping = table;
    await table.install((mark) => `${createTable(name)}; ${keepTracking(name, mark)}`);
    installed = true;
  }
}
