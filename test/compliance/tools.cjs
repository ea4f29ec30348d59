'use strict';
// What bodies share. Nothing here knows whether the process is patched.
const events = require('node:events');

const NAMES = [
  'lookup',
  'connectionAttempt',
  'connectionAttemptFailed',
  'connectionAttemptTimeout',
  'connect',
  'ready',
  'end',
  'timeout',
  'error',
  'close',
];

function createTools() {
  const ports = JSON.parse(process.env.COMPLIANCE_PORTS);
  const known = new Map(Object.entries(ports).map(([name, port]) => [String(port), `<${name}>`]));
  /** Ports differ from run to run: named ones by name, others by what they are. */
  const normalize = (text) => String(text).replace(/\b\d{4,5}\b/g, (port) => known.get(port) ?? '<port>');
  /** Everything an app can read of an error. */
  const describe = (error) => {
    if (!(error instanceof Error)) return { notAnError: String(error) };
    const own = Object.fromEntries(Object.entries(error).filter(([key]) => key !== 'errors'));
    const described = {
      name: error.name,
      message: normalize(error.message),
      keys: Object.keys(error),
      own: Object.fromEntries(
        Object.entries(own).map(([key, value]) => [
          key,
          typeof value === 'string' || key.endsWith('ort') ? normalize(value) : value,
        ]),
      ),
    };
    if (error.errors) described.errors = error.errors.map(describe);
    return described;
  };
  return {
    ports,
    host: '127.0.0.1',
    cert: process.env.COMPLIANCE_CERT,
    normalize,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    once: (emitter, name) => events.once(emitter, name),
    /** The events of a socket in their order, with what tells them apart. */
    record(socket) {
      const list = [];
      for (const name of NAMES) {
        socket.on(name, (first, ...rest) => {
          const detail = name === 'close' ? `:${first}` : name === 'error' ? `:${first.code}` : '';
          list.push(`${name}${detail}${name.startsWith('connectionAttempt') ? `:${normalize([first, ...rest])}` : ''}`);
        });
      }
      return list;
    },
    describe,
    read(stream) {
      return new Promise((resolve, reject) => {
        const chunks = [];
        stream.on('data', (chunk) => chunks.push(chunk));
        stream.on('end', () => resolve(Buffer.concat(chunks).toString()));
        stream.on('error', reject);
      });
    },
    /** Asks the server for `size` bytes. */
    download(size) {
      const head = Buffer.alloc(9, 'D');
      head.writeBigUInt64LE(BigInt(size), 1);
      return head;
    },
  };
}

module.exports = { createTools };
