// App processes under the preload: started, killed, started anew; what they report is judged.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { preload } from '../../bench/world.mjs';

/** What the app is told of what was open, or asked for, when its agent was killed. */
const LOST_WITH_AGENT = {
  transfer: ['ECONNRESET', 'EAI_AGAIN', 'ENDED_SHORT'],
  readFile: ['EIO'],
  readFileSync: ['EIO'],
  stat: ['EIO'],
  lookup: ['EAI_AGAIN'],
};

/** Progress and notices of ours. What else an app's standard error holds is an error, or a warning of Node's. */
const KNOWN_LINES = /^mirrord: (?![A-Z_]+: )/;
const GONE_LINE = /the agent is gone/;

const program = fileURLToPath(new URL('./app.cjs', import.meta.url));

export class Apps {
  /** @param {{world: object, random: object, settings: {lanes: number, maxBytes: number}, say: (text: string) => void}} options */
  constructor(options) {
    Object.assign(this, options);
    this.slots = [];
    this.totals = {
      bytes: 0,
      transfers: 0,
      calls: 0,
      /**
       * Open when an agent was killed, or asked of it before its end was noticed: one thing a lane and kill at most. Of these,
       * `endedShort` saw an end where a reset was meant.
       */
      lostWithAgent: { open: 0, asked: 0, endedShort: 0 },
      appsKilled: 0,
    };
    /** What must not be: each one makes the program fail. */
    this.differences = [];
    /** Each time an agent was killed: between which times of day, and who has lost something by it. */
    this.kills = [];
  }

  async start(count) {
    await Promise.all(Array.from({ length: count }, (_, index) => this.startOne(index)));
  }

  async startOne(index) {
    const { world, settings } = this;
    const child = spawn(process.execPath, ['-r', preload, program], {
      env: {
        ...process.env,
        KUBECONFIG: world.kubeconfig,
        MIRRORD_TARGET: 'deployment/chaos-target',
        MIRRORD_AGENT_IDLE_TIMEOUT: '3',
        // Longer than any outage, and well below the minute after which the kernel's connection tracking forgets a half-closed
        // connection to a Service: a reset after that would not reach the server.
        MIRRORD_AGENT_GRACE: '35',
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const slot = {
      index,
      child,
      stopped: false,
      killed: false,
      stderr: '',
      since: Date.now(),
      lastSuccess: Date.now(),
    };
    this.slots[index] = slot;
    child.stderr.on('data', (chunk) => {
      slot.stderr = (slot.stderr + chunk).slice(-100_000);
    });
    child.stderr.once('close', () => this.judgeStderr(slot));
    const ready = new Promise((resolve, reject) => {
      child.on('message', (message) => (message.type === 'ready' ? resolve() : this.take(slot, message)));
      child.once('exit', (code, signal) => {
        reject(new Error(`app ${index} ended (${signal ?? code}) before it was ready: ${slot.stderr}`));
        if (slot.killed || slot.stopped) return;
        this.differ(`app ${index} ended by itself (${signal ?? code}): ${slot.stderr}`);
        slot.stopped = true;
      });
    });
    slot.ready = ready.then(() => {
      if (slot.killed) return;
      const seed = this.random.integer(1, 2 ** 31);
      child.send({ type: 'go', seed, ...settings, file: world.file, address: world.address }, () => {});
    });
    slot.ready.catch(() => {});
    await slot.ready;
  }

  take(slot, message) {
    if (slot.killed) return;
    if (message.type === 'stopped') slot.stopped = true;
    else if (message.type === 'failed') this.judgeFailure(slot, message);
    else {
      slot.lastSuccess = Math.max(slot.lastSuccess, message.began);
      for (const { to, backAt } of this.kills)
        if (message.began > to && !backAt.has(slot)) backAt.set(slot, Date.now());
      if (!message.ok) this.differ(`app ${slot.index}: a wrong result: ${JSON.stringify(message)}`);
      if (message.type === 'call') this.totals.calls += 1;
      else {
        this.totals.transfers += 1;
        this.totals.bytes += message.bytes * (message.kind === 'both' ? 2 : 1);
      }
    }
  }

  /** What was open when the agent was killed, or asked for before its end was noticed, may be lost, once; nothing else may. */
  judgeFailure(slot, { what, lane = 'calls', code, message, began }) {
    // An app that a synchronous call has blocked hears of what was lost only when that call has been answered by the next agent.
    const kill = this.kills.findLast(({ from, backAt }) => Date.now() >= from && !(began > backAt.get(slot)));
    const who = `${slot.child.pid} ${lane}`;
    const allowed = LOST_WITH_AGENT[what.split(' ')[0]].includes(code);
    if (!kill || !allowed || kill.losers.has(who)) {
      return this.differ(`app ${slot.index}: ${what} failed after ${Date.now() - began} ms: ${code} ${message}`);
    }
    kill.losers.add(who);
    this.totals.lostWithAgent[began <= kill.to ? 'open' : 'asked'] += 1;
    if (code === 'ENDED_SHORT') this.totals.lostWithAgent.endedShort += 1;
  }

  /** One line for each agent that is gone, and no line that is not known. */
  judgeStderr(slot) {
    const lines = slot.stderr.split('\n').filter((line) => line !== '');
    const strange = lines.filter((line) => !KNOWN_LINES.test(line));
    if (strange.length > 0) this.differ(`app ${slot.index} said: ${strange.join('\n')}`);
    if (slot.killed) return;
    const gone = lines.filter((line) => GONE_LINE.test(line)).length;
    const kills = this.kills.filter(({ from }) => from >= slot.since).length;
    if (gone !== kills)
      this.differ(`app ${slot.index} said ${gone} times that its agent is gone, of ${kills}: ${slot.stderr}`);
  }

  /** An agent is about to be killed. */
  noteKill() {
    const kill = { from: Date.now(), to: Number.POSITIVE_INFINITY, losers: new Set(), backAt: new Map() };
    this.kills.push(kill);
    return Object.assign(kill, {
      done: () => {
        kill.to = Date.now();
      },
      takeBack: () => {
        this.kills = this.kills.filter((other) => other !== kill);
      },
    });
  }

  differ(text) {
    this.differences.push(text);
    this.say(`DIFFERENCE ${text}`);
  }

  /** SIGKILL, then the same app again. */
  async kill() {
    const slot = this.slots[this.random.integer(0, this.slots.length - 1)];
    slot.killed = true;
    slot.child.kill('SIGKILL');
    this.totals.appsKilled += 1;
    return { index: slot.index, again: () => this.startOne(slot.index) };
  }

  /** Waits until each app has had an answer to something that began after the agent was killed. */
  async recovered({ to: at }, limitMs) {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const waiting = this.slots.filter(({ lastSuccess, stopped }) => !stopped && lastSuccess < at);
      if (waiting.length === 0) return;
      if (Date.now() > deadline) {
        for (const { index, stderr } of waiting)
          this.differ(`app ${index} did not recover within ${limitMs / 1000} s: ${stderr}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Lets everything that is under way come to its end. */
  async stop(limitMs) {
    for (const { child } of this.slots) if (child.connected) child.send({ type: 'stop' }, () => {});
    const deadline = Date.now() + limitMs;
    while (this.slots.some(({ stopped }) => !stopped)) {
      if (Date.now() > deadline) {
        for (const { index, stopped } of this.slots)
          if (!stopped) this.differ(`app ${index} did not come to its end within ${limitMs / 1000} s`);
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await Promise.all(
      this.slots.map(({ child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return undefined;
        const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
        return new Promise((resolve) => child.once('exit', () => resolve(clearTimeout(timer))));
      }),
    );
  }
}
