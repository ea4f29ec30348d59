// A start without a warm agent, step by step: when each line of progress came, and the app's first line.
import { spawn } from 'node:child_process';
import { summarize } from './figures.mjs';
import { cli, output } from './world.mjs';

const STEPS = [
  ['cluster', 'kubeconfig and credentials'],
  ['target', 'finding the target'],
  ['agent', 'from the POST of the Job until its container runs'],
  ['link', 'until the agent serves and has answered'],
  ['app', "until the app's first line"],
];

/** @returns {Promise<Record<string, object>>} milliseconds of each step, after the one before it */
export async function splitColdStart(env, rounds) {
  const times = Object.fromEntries(STEPS.map(([, title]) => [title, []]));
  for (let round = 0; round < rounds; round++) {
    await output(process.execPath, [cli, 'clean', '--yes'], env);
    const at = await timeSteps(env);
    // Loading the command comes before the first step and is part of it.
    let before = 0;
    for (const [step, title] of STEPS) {
      times[title].push(at[step] - before);
      before = at[step];
    }
  }
  return Object.fromEntries(Object.entries(times).map(([title, values]) => [title, summarize(values)]));
}

function timeSteps(env) {
  const began = performance.now();
  const at = {};
  const app = [process.execPath, '-e', 'console.log("first line")'];
  const child = spawn(process.execPath, [cli, 'exec', '--', ...app], {
    env: { ...env, MIRRORD_PROGRESS: 'json', MIRRORD_TARGET: 'deployment/bench-cold', CI: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let rest = '';
  child.stderr.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines.filter((text) => text.startsWith('{'))) {
      const { type, step } = JSON.parse(line);
      if (type === 'done') at[step] = performance.now() - began;
    }
  });
  child.stdout.once('data', () => {
    at.app = performance.now() - began;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(at) : reject(new Error(`a cold start ended with ${code}\n${rest}`)),
    );
  });
}
