// Runs functions that a test sends, inside the network namespace this process was started in.
globalThis.__name = (value) => value;
const kept = {};
process.on('message', async ({ id, source, args }) => {
  try {
    // biome-ignore lint/security/noGlobalEval: running what the test sends is what this process is for.
    const run = globalThis.eval(`(${source})`);
    process.send({ id, value: await run({ args, kept, require }) });
  } catch (error) {
    process.send({ id, error: error.stack });
  }
});
process.on('uncaughtException', (error) => process.stderr.write(`peer: ${error.stack}\n`));
process.on('disconnect', () => process.exit());
