/** What the scripted agent accepts; in a file of its own, as the worker's bundle must not hold the agent. */
export const TOKEN = 'a'.repeat(64);
