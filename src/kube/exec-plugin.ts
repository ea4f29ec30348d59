import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import type { Credentials } from './credentials';
import { dataOrFile } from './data-or-file';
import { expiry } from './expiry';
import type { ChosenContext, Entry } from './kubeconfig';
import { whyNotAsk } from './terminal';

/** Milliseconds: plugins may open a browser for a login. */
const TIMEOUT = 120_000;
const MAX_OUTPUT = 1024 * 1024;
const VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];
const MODES = ['Never', 'IfAvailable', 'Always'];
/** Under this name a cluster's entry holds what its plug-in wants to know of it. */
const EXTENSION = 'client.authentication.k8s.io/exec';

/**
 * Runs a kubeconfig's credential plugin by the protocol that kubectl has with it. What it writes to stderr, such as a code to
 * enter in a browser, is shown as it comes.
 *
 * @throws Error that says in one line what failed
 */
export async function runExecPlugin(context: ChosenContext): Promise<Credentials> {
  const { exec } = context.user;
  if (typeof exec.command !== 'string' || !VERSIONS.includes(exec.apiVersion)) {
    throw new Error(`its apiVersion must be one of ${VERSIONS.join(', ')}, and it needs a command`);
  }
  const { interactiveMode = 'IfAvailable' } = exec;
  if (!MODES.includes(interactiveMode)) throw new Error(`its interactiveMode must be one of ${MODES.join(', ')}`);
  const obstacle = whyNotAsk();
  if (interactiveMode === 'Always' && obstacle) throw new Error(`it needs a terminal, and ${obstacle}`);
  const interactive = interactiveMode !== 'Never' && !obstacle;
  return parseCredential(await runCommand(exec, context.cluster, interactive), exec.apiVersion);
}

function runCommand(exec: Entry, cluster: Entry, interactive: boolean): Promise<string> {
  const extra = Object.fromEntries((exec.env ?? []).map(({ name, value }: Entry) => [name, value]));
  const child = spawn(exec.command, exec.args ?? [], {
    env: { ...process.env, ...extra, KUBERNETES_EXEC_INFO: execInfo(exec, cluster, interactive) },
    stdio: [interactive ? 'inherit' : 'ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`it gave no credentials within ${TIMEOUT / 1000} s`));
    }, TIMEOUT);
    let output = '';
    let complaint = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(0, MAX_OUTPUT);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2000);
      show(text);
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${error.message}${exec.installHint ? `. ${exec.installHint}` : ''}`));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else reject(new Error(`it ended with ${signal ?? `exit code ${code}`}: ${complaint.trim() || 'no message'}`));
    });
  });
}

/** A plugin's prompt must not wait until it is answered. */
function show(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // A full or closed stderr: the text is in the error, if there is one.
  }
}

function execInfo(exec: Entry, cluster: Entry, interactive: boolean): string {
  const info = {
    server: cluster.server,
    'tls-server-name': cluster['tls-server-name'],
    'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'],
    'certificate-authority-data': dataOrFile(cluster, 'certificate-authority')?.toString('base64'),
    'proxy-url': cluster['proxy-url'],
    config: (cluster.extensions ?? []).find(({ name }: Entry) => name === EXTENSION)?.extension,
  };
  return JSON.stringify({
    apiVersion: exec.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive, ...(exec.provideClusterInfo && { cluster: info }) },
  });
}

function parseCredential(output: string, apiVersion: string): Credentials {
  let credential: Entry;
  try {
    credential = JSON.parse(output);
  } catch {
    // The output may hold a token: it is not repeated.
    throw new Error('its output is not JSON');
  }
  if (credential.kind !== 'ExecCredential' || credential.apiVersion !== apiVersion) {
    throw new Error(`its output is not an ExecCredential of ${apiVersion}`);
  }
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = credential.status ?? {};
  if (!token && !(clientCertificateData && clientKeyData)) throw new Error('its output holds no credentials');
  return {
    headers: token ? { authorization: `Bearer ${token}` } : {},
    cert: clientCertificateData,
    key: clientKeyData,
    ...expiry(expirationTimestamp ? Date.parse(expirationTimestamp) : undefined),
  };
}
