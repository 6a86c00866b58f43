#!/usr/bin/env node
await (await import('../dist/cli/run.js')).run(import.meta.url);
