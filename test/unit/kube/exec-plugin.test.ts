import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCluster } from '../../../src/kube/cluster';
import { takeTerminal } from '../../../src/kube/terminal';
import { cli, preload } from '../../support/run-process';
import { ScriptedApi, status } from '../../support/scripted-api';

const V1 = 'client.authentication.k8s.io/v1';
let api: ScriptedApi;
beforeEach(async () => {
  api = await ScriptedApi.start();
});
afterEach(() => api.stop());

/** A plug-in that writes what it was told into a file, asks for a token where it may, and gives it. */
function plugin(more: object = {}, cluster: object = {}): string {
  const script = join(api.folder, 'plugin.cjs');
  writeFileSync(
    script,
    `const fs = require('fs');
     fs.writeFileSync(${JSON.stringify(join(api.folder, 'told'))}, process.env.KUBERNETES_EXEC_INFO);
     const { spec } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
     if (spec.interactive) process.stderr.write('Password: ');
     const token = spec.interactive ? fs.readFileSync(0, 'utf8').split('\\n')[0] : 'not-asked';
     console.log(JSON.stringify({ apiVersion: ${JSON.stringify(V1)}, kind: 'ExecCredential', status: { token } }));`,
  );
  const exec = { apiVersion: V1, command: process.execPath, args: [script], ...more };
  return api.writeKubeconfig({ user: { exec }, cluster });
}
const told = () => JSON.parse(readFileSync(join(api.folder, 'told'), 'utf8'));

const open = async (kubeconfig: string) => {
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false }, {});
  cluster.close();
  return cluster.headers();
};
const failure = (kubeconfig: string) =>
  open(kubeconfig).then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error) => error,
  );

describe('KUBERNETES_EXEC_INFO', () => {
  it('holds no cluster unless the plug-in wants it', async () => {
    await open(plugin({ interactiveMode: 'Never' }));
    expect(told()).toEqual({ apiVersion: V1, kind: 'ExecCredential', spec: { interactive: false } });
  });

  it('holds all that is known of the cluster: an authority in a file too, and what its entry keeps for plug-ins', async () => {
    writeFileSync(join(api.folder, 'ca.pem'), api.ca);
    const extensions = [
      { name: 'other', extension: { no: 1 } },
      { name: 'client.authentication.k8s.io/exec', extension: { audience: 'x' } },
    ];
    const cluster = {
      'certificate-authority-data': undefined,
      'certificate-authority': 'ca.pem',
      'tls-server-name': 'localhost',
      extensions,
    };
    await open(plugin({ interactiveMode: 'Never', provideClusterInfo: true }, cluster));
    expect(told().spec.cluster).toEqual({
      server: `https://127.0.0.1:${api.port}`,
      'tls-server-name': 'localhost',
      'certificate-authority-data': Buffer.from(api.ca).toString('base64'),
      config: { audience: 'x' },
    });
  });
});

describe('without a terminal', () => {
  it.each([['Never'], ['IfAvailable'], [undefined]])('interactiveMode %s asks nothing', async (interactiveMode) => {
    expect(await open(plugin({ interactiveMode }))).toEqual({ authorization: 'Bearer not-asked' });
    expect(told().spec.interactive).toBe(false);
  });

  it('interactiveMode Always is an error that says so, and the plug-in is not started', async () => {
    takeTerminal();
    const error = await failure(plugin({ interactiveMode: 'Always' }));
    expect(error).toMatchObject({ code: 'KUBE_CREDENTIALS_FAILED' });
    expect(error.message).toMatch(/needs a terminal, and standard input is none/);
    expect(existsSync(join(api.folder, 'told'))).toBe(false);
  });

  it('an interactiveMode that is none is an error', async () => {
    expect((await failure(plugin({ interactiveMode: 'Sometimes' }))).message).toMatch(/Never, IfAvailable, Always/);
  });
});

const hasScript = (() => {
  try {
    execFileSync('script', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
if (!hasScript) console.warn('skipped: plug-ins on a terminal (the program "script" is not installed)');

/** Runs a command on a terminal of its own, and types an answer as soon as it asks for the password. */
function onTerminal(command: string[], kubeconfig: string): Promise<string> {
  const line = command.map((word) => `'${word}'`).join(' ');
  const env: NodeJS.ProcessEnv = { ...process.env, KUBECONFIG: kubeconfig, MIRRORD_TARGET: 'pod/web-1', CI: 'true' };
  delete env.NODE_OPTIONS;
  const child = spawn('script', ['-qec', line, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
    if (/Password: $/.test(output)) child.stdin.write('typed-in\n\x04');
  });
  return new Promise((resolve) => child.once('close', () => resolve(output)));
}

describe.skipIf(!hasScript)('on a terminal', () => {
  const tokens = () => [...new Set(api.requests.map(({ headers }) => headers.authorization))];

  it.each(['IfAvailable', 'Always'])('interactiveMode %s lets the user answer', async (interactiveMode) => {
    api.on('GET *', () => ({ items: [] }));
    await onTerminal([process.execPath, cli, 'ls'], plugin({ interactiveMode }));
    expect(told().spec.interactive).toBe(true);
    expect(tokens()).toEqual(['Bearer typed-in']);
  });

  it('interactiveMode Never gets no terminal', async () => {
    api.on('GET *', () => ({ items: [] }));
    await onTerminal([process.execPath, cli, 'ls'], plugin({ interactiveMode: 'Never' }));
    expect(tokens()).toEqual(['Bearer not-asked']);
  });

  it('the preload lets the user answer before the app starts', async () => {
    api.on('GET /api/v1/namespaces/default/pods/web-1', (_, response) =>
      status(response, 404, 'NotFound', 'pods "web-1" not found'),
    );
    const kubeconfig = plugin({ interactiveMode: 'Always' });
    const output = await onTerminal([process.execPath, '-r', preload, '-e', 'console.log("app")'], kubeconfig);
    expect(tokens()).toEqual(['Bearer typed-in']);
    expect(output).toContain('TARGET_NOT_FOUND');
  });

  it('an app that starts a session while it runs keeps what is typed for itself', async () => {
    const app = `import("${preload.replace('register.cjs', 'dist/index.js')}")
      .then(({ startSession }) => startSession())
      .catch(({ code, message }) => console.log(code, message))`;
    const output = await onTerminal([process.execPath, '-e', app], plugin({ interactiveMode: 'Always' }));
    expect(output).toMatch(/KUBE_CREDENTIALS_FAILED.*needs a terminal, and it belongs to the app that runs/s);
    expect(existsSync(join(api.folder, 'told'))).toBe(false);
  });
});
