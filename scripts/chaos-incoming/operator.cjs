// In a pod that sees the node's processes: kills processes of the target's agent as told by a line of JSON on stdin, and looks how
// long what they held stays in the network of the target. One answer a line.
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const { createInterface } = require('node:readline');

const LIMIT_MS = 15_000;
const [containerId] = process.argv.slice(2);
const read = (pid, name) => {
  try {
    return fs.readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
};
const parentOf = (pid) => read(pid, 'stat').split(') ')[1]?.split(' ')[1];

/** What runs of the agent, and the process whose network it serves. */
function look() {
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const all = pids.map((pid) => ({ pid, words: read(pid, 'cmdline').split('\0') }));
  const supervisor = all.find(({ words }) => words.includes('--container-id') && words.includes(containerId))?.pid;
  const childrenOf = (parent) => all.filter(({ pid }) => parent && parentOf(pid) === parent);
  const worker = childrenOf(supervisor).find(({ words }) => words.includes('--worker'))?.pid;
  const holds = (name) => childrenOf(worker).find(({ words }) => name.test(words[0]))?.pid;
  const [holder, keeper] = [holds(/^nft for mirrord_[^_]+$/), holds(/^nft for mirrord_.*_keep$/)];
  return { target: all.find(({ words }) => words[1] === '/app/target.cjs')?.pid, supervisor, worker, holder, keeper };
}

const run = (target, ...command) =>
  new Promise((resolve, reject) => {
    execFile('nsenter', [`--net=/proc/${target}/ns/net`, '--', ...command], (error, out) =>
      error ? reject(error) : resolve(out),
    );
  });

/** Names of our tables in the target's network. */
const tables = async (target) => (await run(target, 'nft', 'list', 'tables')).match(/mirrord_\w+/g) ?? [];

const VICTIMS = {
  worker: ['worker'],
  supervisor: ['supervisor'],
  both: ['supervisor', 'worker'],
  holder: ['holder'],
  keeper: ['keeper'],
};

async function kill(victim) {
  const found = look();
  const missing = VICTIMS[victim].filter((name) => !found[name]);
  if (missing.length > 0) return { missing };
  const before = await tables(found.target);
  const redirecting = before.filter((name) => !name.endsWith('_keep'));
  const killedAt = Date.now();
  for (const name of VICTIMS[victim]) {
    try {
      process.kill(Number(found[name]), 'SIGKILL');
    } catch (error) {
      // The end of the one before was quicker.
      if (error.code !== 'ESRCH') throw error;
    }
  }
  if (victim === 'keeper') return { killedAt };
  let goneAt;
  for (;;) {
    const left = await tables(found.target);
    const now = Date.now();
    if (!redirecting.some((name) => left.includes(name))) goneAt ??= now;
    if (!before.some((name) => left.includes(name))) return { killedAt, goneAt, cleanAt: now };
    if (now > killedAt + LIMIT_MS) return { killedAt, goneAt, left };
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function act({ kill: victim }) {
  if (victim) return kill(victim);
  const { target } = look();
  return { rules: (await run(target, 'nft', 'list', 'ruleset')).trim() };
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const answer = await act(JSON.parse(line)).catch((error) => ({ failed: error.message }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
