import { randomBytes } from 'node:crypto';
import { MirrordError } from '../../../errors';
import type { Log } from '../../log';
import { SETTINGS } from '../settings';
import { IptablesHolder } from './iptables-holder';
import { NftHolder } from './nft-holder';
import type { Exemption, RuleHolder } from './rules';

const WAYS = [
  ['nftables', NftHolder],
  ['iptables', IptablesHolder],
] as const;

/**
 * Rules that the kernel takes away itself, or where it cannot, those that a process of ours does.
 *
 * @throws MirrordError RULES_UNAVAILABLE, with the reason of each way that was tried
 */
export async function startRules(
  exemption: Exemption,
  log: Log,
  onLost: (reason: string) => void,
): Promise<RuleHolder> {
  const options = { id: randomBytes(4).toString('hex'), exemption, onLost };
  const reasons: unknown[] = [];
  for (const [name, Holder] of WAYS) {
    if (SETTINGS.rules !== undefined && SETTINGS.rules !== name) continue;
    const holder = new Holder(options);
    try {
      await holder.start();
      return holder;
    } catch (error) {
      void holder.close();
      reasons.push(error);
      log.warn(`no rules with ${name}: ${(error as Error).message}`);
    }
  }
  const only = SETTINGS.rules === undefined ? '' : ` (only ${SETTINGS.rules} was tried: agent.nftables)`;
  throw new MirrordError('RULES_UNAVAILABLE', reasons.map((error) => (error as Error).message).join('; ') + only, {
    hint: 'Traffic rules need NET_ADMIN, and nft on Linux 5.12 or later, or iptables.',
    cause: reasons.at(-1),
  });
}
