'use strict';
// Turns results into plain data that can be compared between two processes. What differs by nature is left out: times
// of access, numbers of descriptors, and the length of stacks.
const { createHash } = require('node:crypto');

const TYPES = ['isFile', 'isDirectory', 'isSymbolicLink', 'isFIFO', 'isSocket', 'isBlockDevice', 'isCharacterDevice'];
const typeOf = (value) => TYPES.filter((name) => value[name]()).join();

function describeError(error) {
  const own = {};
  for (const key of Object.keys(error)) own[key] = error[key];
  return {
    error: {
      class: error.constructor.name,
      name: error.name,
      message: error.message,
      keys: Object.keys(error),
      hidden: Object.getOwnPropertyNames(error),
      own,
      header: String(error.stack).split('\n')[0],
    },
  };
}

function describeFields(value, skip = /^atime/) {
  const fields = {};
  for (const key of Object.keys(value)) {
    const field = value[key];
    fields[key] = skip.test(key) ? typeof field : typeof field === 'bigint' ? `${field}n` : describe(field);
  }
  return fields;
}

function describe(value) {
  if (value instanceof Error) return describeError(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (Buffer.isBuffer(value)) {
    const digest = createHash('sha1').update(value).digest('hex');
    return { buffer: value.length, digest };
  }
  if (value instanceof Date) return { date: value.toISOString() };
  if (typeof value === 'string') {
    return value.length < 300 ? value : { text: value.length, digest: createHash('sha1').update(value).digest('hex') };
  }
  if (Array.isArray(value)) return value.map(describe);
  if (value === null || typeof value !== 'object') return value === undefined ? { undefined: true } : value;
  const kind = value.constructor?.name;
  if (kind === 'StatFs')
    return { kind, keys: Object.keys(value), types: typeof value.bfree, bsize: String(value.bsize) };
  if (typeof value.isFile === 'function') {
    const dates = ['mtime', 'ctime', 'birthtime'].map((name) => describe(value[name]));
    return { kind, type: typeOf(value), keys: Object.keys(value), fields: describeFields(value), dates };
  }
  if (kind === 'Object') return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, describe(field)]));
  return { kind };
}

module.exports = { describe, describeError };
