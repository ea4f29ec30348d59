#!/usr/bin/env node
import { createRequire } from 'node:module';

// The command is CommonJS: what one of its parts needs of Node is loaded with that part.
createRequire(import.meta.url)('./cli-main.cjs');
