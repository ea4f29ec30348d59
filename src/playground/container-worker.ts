import { Backoff, goDuration } from './backoff';
import { Container, type Exit, StartError } from './container';
import { describeContainer, UnusableIdError } from './container-spec';
import { ContainerConfigError } from './environment';
import { execInContainer } from './exec';
import { FieldReferenceError } from './field-ref';
import { timestamp } from './freeze';
import { ImagePullError, resolveImage } from './images';
import { ContainerLog } from './log-store';
import type { PodHost } from './pod-host';
import { checkProbe, type ProbeTarget } from './probe-check';
import { pause, runProbe } from './probe-loop';

export type ContainerKind = 'init' | 'sidecar' | 'app' | 'ephemeral';

/** One container of a pod's spec over all its runs: start, probes, restarts, end. */
export class ContainerWorker {
  readonly spec: any;
  readonly kind: ContainerKind;
  restartCount = 0;
  ready = false;
  started = false;
  container: Container | undefined;
  log = new ContainerLog();
  previousLog: ContainerLog | undefined;
  readonly #host: PodHost;
  readonly #backoff = new Backoff();
  #imageId = '';
  #containerId: string | undefined;
  #state: any;
  #lastState: any = {};
  #probes = new AbortController();
  #starting: Promise<unknown> | undefined;

  constructor(host: PodHost, spec: any, kind: ContainerKind) {
    this.#host = host;
    this.spec = spec;
    this.kind = kind;
    const hasInit = kind === 'app' && host.pod().spec.initContainers?.length > 0;
    this.#state = { waiting: { reason: hasInit ? 'PodInitializing' : 'ContainerCreating' } };
  }

  get name(): string {
    return this.spec.name;
  }

  /** Exit code of the run that ended last, if none is running. */
  get exitCode(): number | undefined {
    return this.#state.terminated?.exitCode;
  }

  get hasRun(): boolean {
    return !this.#state.waiting || this.#lastState.terminated !== undefined;
  }

  get waitingReason(): string | undefined {
    return this.#state.waiting?.reason;
  }

  status(): any {
    const mounts = (this.spec.volumeMounts ?? []).map(({ name, mountPath, readOnly }: any) => ({
      name,
      mountPath,
      ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
    }));
    return {
      ...(this.#containerId ? { containerID: `containerd://${this.#containerId}` } : {}),
      image: this.spec.image,
      imageID: this.#imageId,
      lastState: this.#lastState,
      name: this.name,
      ready: this.ready,
      ...(this.#containerId ? { resources: this.spec.resources ?? {} } : {}),
      restartCount: this.restartCount,
      ...(this.kind === 'ephemeral' ? {} : { started: this.started }),
      state: this.#state,
      ...(mounts.length > 0 ? { volumeMounts: mounts } : {}),
    };
  }

  /** Runs until the restart policy says that it is over, or the pod is stopping. */
  async supervise(): Promise<void> {
    const { stopping } = this.#host;
    while (!stopping.aborted) {
      const began = Date.now();
      const code = await this.#runOnce();
      if (code === undefined || stopping.aborted || !this.#restarts(code)) return;
      const delay = this.#backoff.next(Date.now() - began);
      this.#lastState = this.#state.terminated ? { terminated: this.#state.terminated } : this.#lastState;
      if (delay > 0) {
        const { name, uid, namespace } = this.#host.pod().metadata;
        const pod = `${name}_${namespace}(${uid})`;
        const message = `back-off ${goDuration(delay)} restarting failed container=${this.name} pod=${pod}`;
        this.#set({ waiting: { reason: 'CrashLoopBackOff', message } });
        this.#host.event('Warning', 'BackOff', `Back-off restarting failed container ${this.name} in pod ${pod}`);
        if (!(await pause(delay, stopping))) return;
      }
      this.restartCount++;
      this.previousLog = this.log;
      this.log = new ContainerLog();
    }
  }

  /** Ends a running container: preStop hook, SIGTERM, SIGKILL after the grace time. */
  async stop(graceSeconds: number): Promise<void> {
    await this.#starting?.catch(() => {});
    const { container } = this;
    if (!container) return;
    this.#probes.abort();
    const deadline = Date.now() + graceSeconds * 1000;
    const hook = this.spec.lifecycle?.preStop;
    if (hook && graceSeconds > 0) await this.#runHook(hook, graceSeconds * 1000);
    await container.stop(Math.max(graceSeconds > 0 ? 1 : 0, (deadline - Date.now()) / 1000));
  }

  /** Runs a command in the container to its end, for probes and hooks. */
  async execute(command: string[], timeout: number): Promise<{ code: number; output: string }> {
    if (!this.container) throw new Error('container is not running');
    const process = await execInContainer(this.container, { command, stdin: false, tty: false });
    let output = '';
    for (const stream of [process.stdout, process.stderr]) {
      stream?.on('data', (chunk) => {
        if (output.length < 4096) output += chunk;
      });
    }
    const timer = setTimeout(() => process.kill(), timeout);
    const began = Date.now();
    try {
      const code = await process.exit;
      if (Date.now() - began >= timeout)
        throw new Error(`command timed out: "${command.join(' ')}" timed out after ${goDuration(timeout)}`);
      return { code, output };
    } finally {
      clearTimeout(timer);
    }
  }

  /** One run. The exit code, or undefined when the pod stopped before there was one. */
  async #runOnce(): Promise<number | undefined> {
    const starting = this.#start();
    this.#starting = starting;
    const container = await starting;
    this.#starting = undefined;
    if (typeof container === 'number' || container === undefined) return container;
    const exit = await container.exited;
    this.#probes.abort();
    this.container = undefined;
    container.remove();
    this.#ended(container, exit);
    return exit.code;
  }

  async #start(): Promise<Container | number | undefined> {
    const { stopping } = this.#host;
    const image = await this.#pull();
    if (!image) return undefined;
    for (;;) {
      try {
        if (stopping.aborted) return undefined;
        const spec = describeContainer(this.#host, this.spec, image);
        const container = await Container.start(this.#host.sandbox(), spec, this.log);
        this.#imageId = image.imageId;
        this.#running(container);
        return container;
      } catch (error) {
        if (error instanceof StartError) return this.#failedToStart(error);
        const message = (error as Error).message;
        const isConfig = error instanceof ContainerConfigError || error instanceof FieldReferenceError;
        const reason =
          isConfig || error instanceof UnusableIdError ? 'CreateContainerConfigError' : 'CreateContainerError';
        this.#set({ waiting: { reason, message } });
        this.#host.event('Warning', 'Failed', `Error: ${message}`);
        if (!(await pause(isConfig ? 500 : 5_000, stopping))) return undefined;
      }
    }
  }

  /** Waits as long as the image cannot be had, as a kubelet does. */
  async #pull() {
    const { stopping, imageOptions } = this.#host;
    const { image } = this.spec;
    const backoff = new Backoff();
    backoff.next(0);
    while (!stopping.aborted) {
      try {
        const resolved = resolveImage(image, imageOptions);
        this.#host.event(
          'Normal',
          'Pulled',
          `Container image "${image}" already present on machine and can be accessed by the pod`,
        );
        return resolved;
      } catch (error) {
        if (!(error instanceof ImagePullError)) throw error;
        this.#host.event('Normal', 'Pulling', `Pulling image "${image}"`);
        this.#host.event('Warning', 'Failed', `Failed to pull image "${image}": ${error.message}`);
        this.#host.event('Warning', 'Failed', 'Error: ErrImagePull');
        this.#set({ waiting: { reason: 'ErrImagePull', message: error.message } });
        if (!(await pause(1_000, stopping))) return undefined;
        this.#host.event('Normal', 'BackOff', `Back-off pulling image "${image}"`);
        this.#host.event('Warning', 'Failed', 'Error: ImagePullBackOff');
        const message = `Back-off pulling image "${image}": ErrImagePull: ${error.message}`;
        this.#set({ waiting: { reason: 'ImagePullBackOff', message } });
        if (!(await pause(backoff.next(0), stopping))) return undefined;
      }
    }
    return undefined;
  }

  #running(container: Container): void {
    this.container = container;
    this.#containerId = container.id;
    this.#probes = new AbortController();
    this.started = !this.spec.startupProbe;
    this.ready = this.kind !== 'ephemeral' && this.started && !this.spec.readinessProbe;
    this.#host.event('Normal', 'Created', 'Container created');
    this.#host.event('Normal', 'Started', 'Container started');
    this.#set({ running: { startedAt: timestamp(container.startedAt.getTime()) } });
    const hook = this.spec.lifecycle?.postStart;
    if (hook) void this.#runHook(hook, 30_000);
    if (this.kind === 'app' || this.kind === 'sidecar') void this.#probe();
  }

  async #probe(): Promise<void> {
    const { signal } = this.#probes;
    const { startupProbe, readinessProbe, livenessProbe } = this.spec;
    const target: ProbeTarget = {
      address: this.#host.address(),
      ports: this.spec.ports ?? [],
      exec: (command, timeout) => this.execute(command, timeout),
    };
    const run = (
      probe: any,
      label: string,
      handlers: { onPass?(): void; onFail?(): void; eager?: boolean; once?: boolean },
    ) =>
      runProbe({
        probe,
        signal,
        check: () => checkProbe(probe, target),
        onMiss: ({ message }) => this.#host.event('Warning', 'Unhealthy', `${label} probe failed: ${message}`),
        onPass: () => handlers.onPass?.(),
        onFail: () => handlers.onFail?.(),
        eager: handlers.eager ?? false,
        once: handlers.once,
      });
    if (startupProbe) {
      await run(startupProbe, 'Startup', { eager: true, once: true, onFail: () => this.#unhealthy('startup') });
      if (signal.aborted) return;
      this.started = true;
      this.#setReady(!readinessProbe);
    }
    if (livenessProbe) void run(livenessProbe, 'Liveness', { onFail: () => this.#unhealthy('liveness') });
    if (readinessProbe) {
      const onPass = () => this.#setReady(true);
      void run(readinessProbe, 'Readiness', { eager: true, onPass, onFail: () => this.#setReady(false) });
    }
  }

  #setReady(ready: boolean): void {
    this.ready = ready;
    this.#host.changed();
  }

  #unhealthy(probe: string): void {
    this.#host.event('Normal', 'Killing', `Container ${this.name} failed ${probe} probe, will be restarted`);
    void this.stop(this.#host.pod().spec.terminationGracePeriodSeconds ?? 30);
  }

  async #runHook(hook: any, limit: number): Promise<void> {
    try {
      if (hook.exec) await this.execute(hook.exec.command, limit);
      else if (hook.sleep) await pause(Math.min(hook.sleep.seconds * 1000, limit), new AbortController().signal);
      else if (hook.httpGet) {
        const target = { address: this.#host.address(), ports: this.spec.ports ?? [], exec: this.execute.bind(this) };
        await checkProbe({ httpGet: hook.httpGet, timeoutSeconds: limit / 1000 }, target);
      }
    } catch (error) {
      this.#host.event('Warning', 'FailedPreStopHook', `Lifecycle hook failed: ${(error as Error).message}`);
    }
  }

  #failedToStart(error: StartError): number {
    this.#containerId = error.containerId;
    this.log.end();
    const { message } = error;
    this.#host.event('Warning', 'Failed', `Error: ${message}`);
    const terminated = {
      containerID: `containerd://${error.containerId}`,
      exitCode: 128,
      finishedAt: timestamp(),
      message,
      reason: 'StartError',
      startedAt: '1970-01-01T00:00:00Z',
    };
    if (this.#restarts(128)) {
      this.#lastState = { terminated };
      this.#set({ waiting: { reason: 'RunContainerError', message } });
    } else this.#set({ terminated });
    return 128;
  }

  #ended(container: Container, exit: Exit): void {
    const fallback = this.spec.terminationMessagePolicy === 'FallbackToLogsOnError' && exit.code !== 0;
    const message = exit.message || (fallback ? this.log.tail(80, 2048) : '');
    const terminated = {
      containerID: `containerd://${container.id}`,
      exitCode: exit.code,
      finishedAt: timestamp(),
      ...(message ? { message } : {}),
      reason: exit.code === 0 ? 'Completed' : 'Error',
      startedAt: timestamp(container.startedAt.getTime()),
    };
    this.started = false;
    this.ready = this.kind === 'init' && exit.code === 0;
    this.#set({ terminated });
  }

  #restarts(code: number): boolean {
    if (this.kind === 'ephemeral') return false;
    if (this.kind === 'sidecar') return true;
    const policy = this.#host.pod().spec.restartPolicy ?? 'Always';
    if (policy === 'Never') return false;
    return this.kind === 'init' || policy === 'OnFailure' ? code !== 0 : true;
  }

  #set(state: any): void {
    this.#state = state;
    if (!state.running) this.started = false;
    if (state.waiting) this.ready = false;
    this.#host.changed();
  }
}
