/**
 * Just enough protobuf for the one body that clients send in no other form: an access review. Fields are read by number;
 * only strings and nested messages occur.
 */
type Message = Map<number, Buffer>;

const MAGIC = Buffer.from('k8s\0', 'latin1');
const LENGTH_DELIMITED = 2;

/** Reads a message's length-delimited fields; the last one of a number wins. Throws RangeError for a cut one. */
function readMessage(bytes: Buffer): Message {
  const fields: Message = new Map();
  let offset = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(offset++);
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return value;
      if (shift > 49) throw new RangeError('varint is too long');
    }
  };
  while (offset < bytes.length) {
    const tag = varint();
    const wireType = tag & 7;
    if (wireType === LENGTH_DELIMITED) {
      const length = varint();
      if (offset + length > bytes.length) throw new RangeError('field is cut short');
      fields.set(tag >>> 3, bytes.subarray(offset, offset + length));
      offset += length;
    } else if (wireType === 0) varint();
    else if (wireType === 1) offset += 8;
    else if (wireType === 5) offset += 4;
    else throw new RangeError(`unknown wire type ${wireType}`);
  }
  return fields;
}

const nested = (message: Message, field: number): Message | undefined => {
  const bytes = message.get(field);
  return bytes && readMessage(bytes);
};

function strings(message: Message, names: Record<number, string>): Record<string, string> {
  const entries = Object.entries(names).map(([number, name]) => [
    name,
    message.get(Number(number))?.toString('utf8') ?? '',
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

/** The `spec` of a SelfSubjectAccessReview in protobuf. Throws RangeError for bytes that are none. */
export function decodeAccessReview(body: Buffer): Record<string, Record<string, string>> {
  if (!body.subarray(0, 4).equals(MAGIC)) throw new RangeError('not a Kubernetes protobuf body');
  const envelope = readMessage(body.subarray(4));
  const review = nested(envelope, 2);
  const spec = review && nested(review, 2);
  const resource = spec && nested(spec, 1);
  const other = spec && nested(spec, 2);
  return {
    ...(resource
      ? {
          resourceAttributes: strings(resource, {
            1: 'namespace',
            2: 'verb',
            3: 'group',
            4: 'version',
            5: 'resource',
            6: 'subresource',
            7: 'name',
          }),
        }
      : {}),
    ...(other ? { nonResourceAttributes: strings(other, { 1: 'path', 2: 'verb' }) } : {}),
  };
}
