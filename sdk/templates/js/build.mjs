// Makes policy.js a component. Without the features named below it imports no WASI: there is
// no clock, no randomness and no output, and what would use them traps.

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { componentize } from '@bytecodealliance/componentize-js';

const source = await readFile(new URL('policy.js', import.meta.url), 'utf8');
const { component } = await componentize(source, {
  witPath: fileURLToPath(new URL('{{sdk}}/wit/policy.wit', import.meta.url)),
  worldName: '{{role}}-policy',
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
await writeFile(new URL('{{name}}.wasm', import.meta.url), component);
console.log('{{name}}.wasm');
