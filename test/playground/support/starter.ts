import { load } from 'js-yaml';
import { Agent, request } from 'undici';
import { launchPlayground } from '../../../src/playground/launch';

/** Starts a playground with one pod, says so, and waits to be killed. */
const { kubeconfig } = await launchPlayground({ bundles: process.argv[2] });
const config = load(kubeconfig) as any;
const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster;
const dispatcher = new Agent({ connect: { ca: Buffer.from(ca, 'base64').toString() } });
const headers = { authorization: `Bearer ${config.users[0].user.token}`, 'content-type': 'application/json' };
const pods = `${server}/api/v1/namespaces/default/pods`;
const containers = [{ name: 'c', image: 'playground/node:1', command: ['bash', '-c', 'sleep 1000 & sleep 1000'] }];
const body = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { hostPID: true, containers },
});
await request(pods, { method: 'POST', dispatcher, headers, body });
for (;;) {
  const answer = await request(`${pods}/p`, { dispatcher, headers });
  if (((await answer.body.json()) as any).status?.phase === 'Running') break;
  await new Promise((later) => setTimeout(later, 20));
}
console.log('pod ready');
