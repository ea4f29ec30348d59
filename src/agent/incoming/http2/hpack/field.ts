/** One header as HPACK carries it: octets as latin1 characters. */
export interface Field {
  readonly name: string;
  readonly value: string;
  /** Its sender wants it in no table of anybody. */
  readonly never: boolean;
  /** The same as a literal that stands for itself, once somebody has asked for it. */
  literal?: Buffer;
}

/** What an entry costs beside its octets, RFC 7541 section 4.1. */
const OVERHEAD = 32;

export function sizeOf({ name, value }: Field): number {
  return name.length + value.length + OVERHEAD;
}
