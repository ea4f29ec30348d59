import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { NODE_ADDRESS, NODE_NAME, STATE_FOLDER } from './addresses';
import { ContainerWorker } from './container-worker';
import { Dialer } from './dialer';
import { timestamp } from './freeze';
import { resolveImage } from './images';
import type { NodeServices } from './kubelet';
import { hostnameOf, writePodFiles } from './pod-files';
import type { PodHost } from './pod-host';
import { addressFields, computePodStatus, type PodView } from './pod-status';
import { pause } from './probe-loop';
import type { Mount } from './rootfs';
import { Sandbox } from './sandbox';
import { serviceAccountMount } from './service-account';
import type { KubeObject } from './types';
import { MountError } from './volume-sources';
import { PodVolumes } from './volumes';

/** One pod on the node, from the first volume to the last process. */
export class PodWorker {
  readonly id = randomBytes(32).toString('hex');
  readonly #services: NodeServices;
  readonly #stopping = new AbortController();
  readonly #view: PodView;
  readonly #host: PodHost;
  readonly #folder: string;
  readonly #volumes: PodVolumes;
  #pod: KubeObject;
  #sandbox: Sandbox | undefined;
  #dialer: Dialer | undefined;
  /** IPv4 first; none before the network stands, and after it is gone. */
  #addresses: string[] = [];
  #mounts: Mount[] = [];
  #writing = false;
  #removed = false;
  #run: Promise<void> | undefined;
  #stop: Promise<void> | undefined;

  constructor(services: NodeServices, pod: KubeObject) {
    this.#services = services;
    this.#pod = pod;
    this.#folder = join(STATE_FOLDER, 'pods', pod.metadata.uid);
    this.#volumes = new PodVolumes(this.#sources(), this.#folder);
    this.#host = this.#makeHost();
    const make = (kind: 'init' | 'app') => (spec: any) =>
      new ContainerWorker(this.#host, spec, kind === 'init' && spec.restartPolicy === 'Always' ? 'sidecar' : kind);
    this.#view = {
      startTime: timestamp(),
      addresses: [],
      hostAddresses: services.addresses.allOf(NODE_ADDRESS),
      sandboxReady: false,
      initialized: !(pod.spec.initContainers?.length > 0),
      finished: false,
      init: (pod.spec.initContainers ?? []).map(make('init')),
      apps: pod.spec.containers.map(make('app')),
      ephemeral: [],
    };
  }

  start(): void {
    this.#changed();
    this.#run = this.#live().catch((error) => this.#fail('KubeletError', (error as Error).message));
  }

  /** Takes in a new version of the pod's object. */
  update(pod: KubeObject): void {
    this.#pod = pod;
    if (pod.metadata.deletionTimestamp) {
      this.stop(pod.metadata.deletionGracePeriodSeconds ?? 30);
      return;
    }
    if (this.#sandbox) this.#startEphemeral();
  }

  container(name: string): ContainerWorker | undefined {
    return [...this.#view.apps, ...this.#view.init, ...this.#view.ephemeral].find((one) => one.name === name);
  }

  get dialer(): Dialer | undefined {
    return this.#dialer;
  }

  refreshVolumes(resource: string, name: string): void {
    if (this.#sandbox) this.#volumes.refresh(this.#sources(), resource, name);
  }

  /** Ends the pod within its grace time and takes its object out of the store. Repeating it shortens the wait to `graceSeconds`. */
  stop(graceSeconds: number): void {
    if (this.#stop) {
      if (graceSeconds === 0) this.#kill();
      return;
    }
    this.#stopping.abort();
    this.#stop = this.#end(graceSeconds);
  }

  /** The object is gone already (a forced deletion): nothing may go on running. */
  forget(): Promise<void> {
    this.#removed = true;
    this.stop(0);
    return this.#stop!;
  }

  async #live(): Promise<void> {
    if (!(await this.#prepareVolumes())) return;
    const { hostNetwork, shareProcessNamespace } = this.#pod.spec;
    const { addresses, proxy } = this.#services;
    this.#addresses = addresses.allOf(hostNetwork ? NODE_ADDRESS : addresses.take());
    if (!hostNetwork) proxy.addPod(this.#addresses[0]!);
    const mounts = writePodFiles(this.#pod, this.#folder, this.#addresses);
    const account = serviceAccountMount(this.#pod, this.#folder, this.#services.credentials);
    this.#mounts = account ? [...mounts, account] : mounts;
    const hostname = hostNetwork ? NODE_NAME : hostnameOf(this.#pod);
    const sharePID = shareProcessNamespace === true;
    const options = { hostname, addresses: this.#addresses, hostNetwork: hostNetwork === true, sharePID };
    this.#sandbox = await Sandbox.create(options);
    this.#dialer = new Dialer(this.#sandbox);
    if (this.#wantsDialer()) this.#dialer.warmUp();
    this.#view.addresses = this.#addresses;
    this.#view.sandboxReady = true;
    this.#changed();
    if (!(await this.#initialize())) return;
    this.#view.initialized = true;
    this.#startEphemeral();
    const deadline = this.#watchDeadline();
    await Promise.all(this.#view.apps.map((one) => one.supervise()));
    clearTimeout(deadline);
    if (!this.#stopping.signal.aborted) await this.#finish();
  }

  async #prepareVolumes(): Promise<boolean> {
    for (let delay = 100; !this.#stopping.signal.aborted; delay = Math.min(delay * 2, 2_000)) {
      try {
        this.#volumes.prepare();
        return true;
      } catch (error) {
        if (!(error instanceof MountError)) throw error;
        this.#event('Warning', 'FailedMount', `MountVolume.SetUp failed for volume : ${error.message}`);
        await pause(delay, this.#stopping.signal);
      }
    }
    return false;
  }

  /** Init containers one after the other; a sidecar stays and only has to be started. False when the pod will not go on. */
  async #initialize(): Promise<boolean> {
    for (const one of this.#view.init) {
      const done = one.supervise();
      if (one.kind === 'sidecar') {
        while (!one.started && !this.#stopping.signal.aborted) await pause(20, this.#stopping.signal);
      } else {
        await done;
        if (!this.#stopping.signal.aborted && one.exitCode !== 0) {
          await this.#finish();
          return false;
        }
      }
      if (this.#stopping.signal.aborted) return false;
    }
    return true;
  }

  #startEphemeral(): void {
    for (const spec of this.#pod.spec.ephemeralContainers ?? []) {
      if (this.#view.ephemeral.some((one) => one.name === spec.name)) continue;
      const worker = new ContainerWorker(this.#host, spec, 'ephemeral');
      this.#view.ephemeral.push(worker);
      this.#changed();
      void worker.supervise();
    }
  }

  #watchDeadline(): NodeJS.Timeout | undefined {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    if (seconds === undefined) return undefined;
    const left = Date.parse(this.#view.startTime) + seconds * 1000 - Date.now();
    return setTimeout(() => void this.#expire(), Math.max(0, left));
  }

  async #expire(): Promise<void> {
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#event('Normal', 'DeadlineExceeded', message);
    this.#stopping.abort();
    await this.#stopContainers(this.#pod.spec.terminationGracePeriodSeconds ?? 30);
    this.#view.failure = { reason: 'DeadlineExceeded', message };
    await this.#finish();
  }

  /** All containers have ended for good. The object and the logs stay until somebody deletes the pod. */
  async #finish(): Promise<void> {
    this.#stopping.abort();
    await this.#stopContainers(this.#pod.spec.terminationGracePeriodSeconds ?? 30);
    this.#view.finished = true;
    await this.#release();
    this.#changed();
  }

  async #fail(reason: string, message: string): Promise<void> {
    console.error(`playground: pod ${this.#pod.metadata.namespace}/${this.#pod.metadata.name}: ${message}`);
    this.#event('Warning', 'FailedCreatePodSandBox', message);
    this.#view.failure = { reason, message };
    await this.#finish();
  }

  async #end(graceSeconds: number): Promise<void> {
    if (!this.#view.finished) {
      for (const one of this.#view.apps)
        if (one.container) this.#event('Normal', 'Killing', `Stopping container ${one.name}`);
      await this.#stopContainers(graceSeconds);
    }
    await this.#run;
    await this.#release();
    this.#view.finished = true;
    this.#writeStatus();
    rmSync(this.#folder, { recursive: true, force: true });
    const { namespace, name, uid } = this.#pod.metadata;
    // A pod of the same name may have been made meanwhile.
    const still = this.#services.store.get('pods', namespace, name);
    if (!this.#removed && still?.metadata.uid === uid) this.#services.store.remove('pods', namespace, name);
  }

  async #stopContainers(graceSeconds: number): Promise<void> {
    const { apps, ephemeral, init } = this.#view;
    await Promise.all([...apps, ...ephemeral].map((one) => one.stop(graceSeconds)));
    await Promise.all(init.map((one) => one.stop(graceSeconds)));
  }

  #kill(): void {
    for (const one of [...this.#view.apps, ...this.#view.ephemeral, ...this.#view.init])
      one.container?.signal('SIGKILL');
  }

  async #release(): Promise<void> {
    this.#dialer?.close();
    await this.#sandbox?.remove();
    this.#view.sandboxReady = false;
    const [address = NODE_ADDRESS] = this.#addresses;
    if (address !== NODE_ADDRESS) {
      this.#services.proxy.removePod(address);
      this.#services.addresses.release(address);
    }
    this.#addresses = [];
    this.#sandbox = undefined;
    this.#dialer = undefined;
  }

  /** Agents are reached by port-forward as soon as they run. */
  #wantsDialer(): boolean {
    return this.#pod.spec.containers.some(({ image }: any) => {
      try {
        return resolveImage(image, this.#services.imageOptions).isAgent;
      } catch {
        return false;
      }
    });
  }

  #sources() {
    const { store, capacity, credentials } = this.#services;
    return { store, pod: this.#podWithAddress(), capacity, serviceAccountToken: credentials.token };
  }

  #podWithAddress(): KubeObject {
    if (this.#addresses.length === 0) return this.#pod;
    const addresses = addressFields(this.#addresses, this.#view.hostAddresses);
    return { ...this.#pod, status: { ...this.#pod.status, ...addresses } };
  }

  #makeHost(): PodHost {
    const { store, capacity, imageOptions } = this.#services;
    return {
      store,
      capacity,
      imageOptions,
      volumes: this.#volumes,
      stopping: this.#stopping.signal,
      pod: () => this.#podWithAddress(),
      sandbox: () => this.#sandbox!,
      address: () => this.#addresses[0]!,
      podMounts: () => this.#mounts,
      pidOf: (name) => this.container(name)?.container?.pid,
      changed: () => this.#changed(),
      event: (type, reason, message) => this.#event(type, reason, message),
    };
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#services.store.recordEvent(this.#pod, { type, reason, message, component: 'kubelet' });
  }

  /** Several changes in one turn of the event loop become one write. */
  #changed(): void {
    if (this.#writing) return;
    this.#writing = true;
    setImmediate(() => {
      this.#writing = false;
      this.#writeStatus();
    });
  }

  #writeStatus(): void {
    const { namespace, name, uid } = this.#pod.metadata;
    this.#services.store.mutate('pods', namespace, name, (pod) => {
      if (pod.metadata.uid === uid) pod.status = computePodStatus(pod, this.#view);
    });
  }
}
