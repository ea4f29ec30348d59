import type { Capacity } from './field-ref';
import type { ImageOptions } from './images';
import type { Mount } from './rootfs';
import type { Sandbox } from './sandbox';
import type { KubeObject, Store } from './types';
import type { PodVolumes } from './volumes';

/** What a container's worker needs of its pod. */
export interface PodHost {
  /** The pod as it is now, with its address in the status. */
  pod(): KubeObject;
  store: Store;
  sandbox(): Sandbox;
  address(): string;
  volumes: PodVolumes;
  /** Mounts that every container of the pod gets. */
  podMounts(): Mount[];
  /** Process id of a running container's first process, for ephemeral containers that share it. */
  pidOf(containerName: string): number | undefined;
  capacity: Capacity;
  imageOptions: ImageOptions;
  /** Aborts when the pod is to end. */
  stopping: AbortSignal;
  /** Something shows in the status: write it soon. */
  changed(): void;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
}
