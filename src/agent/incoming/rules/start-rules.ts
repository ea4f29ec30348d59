import { randomBytes } from 'node:crypto';
import { MirrordError } from '../../../errors';
import type { Log } from '../../log';
import { IptablesHolder } from './iptables-holder';
import { NftHolder } from './nft-holder';
import type { Exemption, RuleHolder } from './rules';

/** Rules that the kernel takes away itself, or where it cannot, those that a process of ours does. */
export async function startRules(
  exemption: Exemption,
  log: Log,
  onLost: (reason: string) => void,
): Promise<RuleHolder> {
  const id = randomBytes(4).toString('hex');
  try {
    return await NftHolder.start({ id, exemption, onLost });
  } catch (first) {
    const { message } = first as Error;
    log.warn(`no nftables table with an owner, trying iptables: ${message}`);
    try {
      return await IptablesHolder.start({ id, exemption, onLost });
    } catch (second) {
      throw new MirrordError('RULES_UNAVAILABLE', `${message}; ${(second as Error).message}`, {
        hint: 'Traffic rules need NET_ADMIN, and nft on Linux 5.12 or later, or iptables.',
        cause: second,
      });
    }
  }
}
