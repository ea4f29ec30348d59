import { request } from '../request';
import { type Check, failed, ok, type Subject, warning } from './check';

/** Since then a table can belong to a process and ends with it: traffic rules go even when the agent is killed. */
const OWNER_TABLES = [5, 12];

/** The node that the agent will run on: alive, real, with room, and what its kernel can do. */
export async function checkNode(subject: Subject): Promise<Check[]> {
  const { cluster, target, signal } = subject;
  if (!target) return [];
  const { body: node } = await request(cluster, {
    path: `/api/v1/nodes/${target.nodeName}`,
    operation: { verb: 'get', resource: 'nodes', namespace: undefined },
    signal,
  });
  return [checkState(node), await checkRoom(subject, node), checkKernel(node), checkImage(subject, node)];
}

function checkState({ metadata, spec, status }: any): Check {
  const { name, labels = {} } = metadata;
  const info = status.nodeInfo ?? {};
  const said = `${name}: ${[info.osImage, info.containerRuntimeVersion, info.architecture].filter(Boolean).join(', ')}`;
  if (labels.type === 'virtual-kubelet' || labels['eks.amazonaws.com/compute-type'] === 'fargate') {
    return failed(
      'node',
      `${name} is no real node`,
      'Its pods cannot be entered from a Job: use "agent.ephemeral": true.',
    );
  }
  if ((info.operatingSystem ?? 'linux') !== 'linux') return failed('node', `${name} runs ${info.operatingSystem}`);
  const ready = status.conditions?.find(({ type }: any) => type === 'Ready');
  if (ready && ready.status !== 'True') return failed('node', `${name} is not ready: ${ready.message}`);
  const pressure = (status.conditions ?? []).filter(
    ({ type, status }: any) => /Pressure$/.test(type) && status === 'True',
  );
  if (pressure.length > 0) {
    return warning(
      'node',
      `${said}; under ${pressure.map(({ type }: any) => type).join(', ')}: the agent may be evicted`,
    );
  }
  return ok('node', spec.unschedulable ? `${said}; cordoned, which does not keep the agent out` : said);
}

async function checkRoom({ cluster, config, signal }: Subject, { metadata, status }: any): Promise<Check> {
  const limit = Number(status.allocatable?.pods ?? Number.NaN);
  if (config.agent.ephemeral) return ok('node-room', 'an ephemeral container takes no place of a pod');
  const options = {
    path: '/api/v1/pods',
    query: { fieldSelector: `spec.nodeName=${metadata.name},status.phase!=Succeeded,status.phase!=Failed` },
    operation: { verb: 'list', resource: 'pods', namespace: undefined },
    signal,
  };
  const { statusCode, body } = await request(cluster, options, [403]);
  if (statusCode === 403)
    return {
      name: 'node-room',
      status: 'skipped',
      detail: `takes ${limit} pods; how many there are may not be listed`,
    };
  const detail = `${body.items.length} of ${limit} pods`;
  if (body.items.length < limit || Number.isNaN(limit)) return ok('node-room', detail);
  return failed('node-room', detail, 'The node is full. "agent.ephemeral": true needs no further pod.');
}

function checkKernel({ status }: any): Check {
  const version: string = status.nodeInfo?.kernelVersion ?? '';
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (!major) return { name: 'kernel', status: 'skipped', detail: 'the node does not tell its version' };
  const [wantedMajor, wantedMinor] = OWNER_TABLES as [number, number];
  const enough = Number(major) > wantedMajor || (Number(major) === wantedMajor && Number(minor) >= wantedMinor);
  if (enough) return ok('kernel', version);
  return warning(
    'kernel',
    `${version} has no nftables tables with an owner (Linux ${OWNER_TABLES.join('.')}): stealing traffic would leave rules behind if the agent is killed`,
  );
}

/** A node lists its largest images only, so what is not listed may be there all the same. */
function checkImage({ config }: Subject, { status }: any): Check {
  const { image, imagePullPolicy } = config.agent;
  const there = (status.images ?? []).some(({ names = [] }: any) =>
    names.some((name: string) => name === image || name.endsWith(`/${image}`)),
  );
  if (there) return ok('image', `${image} is on the node`);
  const detail = `${image} is not among the images that the node lists; it will be pulled if it is missing`;
  return imagePullPolicy === 'Never'
    ? warning(
        'image',
        `${image} is not among the images that the node lists, and must not be pulled (agent.image_pull_policy)`,
      )
    : ok('image', detail);
}
