import type { HoldPoint } from './slow-api';

const isJobs = (url: string) => /\/jobs(\?|$)/.test(url);
/** The moments of a start at which something may go wrong. */
export const points: [string, HoldPoint][] = [
  [
    'the target is looked for',
    { at: 'request', matches: (method, url) => method === 'GET' && /pods\/target/.test(url) },
  ],
  [
    'the Job is on its way to the server',
    { at: 'request', matches: (method, url) => method === 'POST' && isJobs(url) },
  ],
  [
    'the Job exists and nobody here knows',
    { at: 'answer', matches: (method, url) => method === 'POST' && isJobs(url) },
  ],
  [
    'the pod of the agent is waited for',
    { at: 'answer', matches: (method, url) => method === 'GET' && /\/pods\?/.test(url) },
  ],
  ['the agent is being connected to', { at: 'request', matches: (_, url) => /\/portforward/.test(url) }],
];
