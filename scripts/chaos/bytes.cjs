// Bytes that tell their place: every 64 KiB begin with the seed and their number, so that lost, doubled and swapped ones show in a hash.
const SIZE = 64 * 1024;

function makeChunk(seed, index, bytes) {
  const chunk = Buffer.alloc(Math.max(0, Math.min(SIZE, bytes - index * SIZE)), (seed + index) & 255);
  if (chunk.length >= 8) {
    chunk.writeUInt32BE(seed >>> 0, 0);
    chunk.writeUInt32BE(index, 4);
  }
  return chunk;
}

/** Calls `emit(chunk)`; it answers a promise when it wants the next one later. */
async function produce(seed, bytes, emit) {
  for (let index = 0; index * SIZE < bytes; index++) {
    const wait = emit(makeChunk(seed, index, bytes));
    if (wait) await wait;
  }
}

module.exports = { makeChunk, produce, SIZE };
