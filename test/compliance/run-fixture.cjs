'use strict';
// Runs every facet of a fixture, one after the other, and prints what each gave. Ends as Node ends: nobody calls exit.
const path = require('node:path');
const { createTools } = require('./tools.cjs');

const [file] = process.argv.slice(2);
const strays = [];
process.on('unhandledRejection', (error) => strays.push(`rejection ${error}`));
process.on('uncaughtException', (error) => strays.push(`exception ${error?.stack}`));
process.on('warning', (warning) => strays.push(`warning ${warning}`));

(async () => {
  const module_ = await import(path.resolve(file));
  const results = {};
  for (const [title, facet] of Object.entries(module_.default)) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no result within 8 s')), 8000);
    });
    try {
      results[title] = { value: await Promise.race([facet(createTools()), late]) };
    } catch (error) {
      results[title] = { failed: String(error?.stack ?? error) };
    }
    clearTimeout(timer);
  }
  // Strays may come late: they are counted when the process is about to end by itself.
  process.on('exit', () => require('node:fs').writeSync(1, JSON.stringify({ results, strays })));
})();
