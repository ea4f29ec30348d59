// App processes under the preload: started, killed, started anew; what they report is judged.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { preload } from '../../bench/world.mjs';

const program = fileURLToPath(new URL('./app.cjs', import.meta.url));

export class Apps {
  /** @param {{world: object, random: object, settings: {lanes: number, maxBytes: number}, say: (text: string) => void}} options */
  constructor(options) {
    Object.assign(this, options);
    this.slots = [];
    this.totals = { bytes: 0, transfers: 0, calls: 0, lostWithAgent: 0, lostWithClient: 0, restarts: 0 };
    /** What must not be: each one makes the program fail. */
    this.differences = [];
    /** Times of day at which the agent was killed. */
    this.agentKills = [];
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
        MIRRORD_PROGRESS: 'off',
        MIRRORD_AGENT_IDLE_TIMEOUT: '3',
        // Longer than any outage, and well below the minute after which the kernel's connection tracking forgets a half-closed
        // connection to a Service: a reset after that would not reach the server.
        MIRRORD_AGENT_GRACE: '35',
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const slot = { index, child, stopped: false, killed: false, stderr: '', lastSuccess: Date.now() };
    this.slots[index] = slot;
    child.stderr.on('data', (chunk) => {
      slot.stderr = (slot.stderr + chunk).slice(-2000);
    });
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
      if (!message.ok) this.differ(`app ${slot.index}: a wrong result: ${JSON.stringify(message)}`);
      if (message.type === 'call') this.totals.calls += 1;
      else {
        this.totals.transfers += 1;
        this.totals.bytes += message.bytes * (message.kind === 'both' ? 2 : 1);
      }
    }
  }

  /** What was open when the agent was killed, or began before there was a new one, may be lost; nothing else may. */
  judgeFailure(slot, { what, code, message, began }) {
    const excused = this.agentKills.some((at) => at >= began || slot.lastSuccess < at);
    if (excused) this.totals.lostWithAgent += 1;
    else this.differ(`app ${slot.index}: ${what} failed after ${Date.now() - began} ms: ${code} ${message}`);
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
    this.totals.lostWithClient += 1;
    this.totals.restarts += 1;
    return { index: slot.index, again: () => this.startOne(slot.index) };
  }

  /** Waits until each app has had an answer to something that began after the agent was killed. */
  async recovered(limitMs) {
    const at = this.agentKills.at(-1);
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
