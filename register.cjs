'use strict';
// Preload entry for `node -r mirrord/register`, `--import mirrord/register` and NODE_OPTIONS.
// CommonJS on purpose: a preload has to be finished before the app's first line, whichever module system the app uses.
require('./dist/register.cjs');
