// Checks a node with js-libp2p:
//
//   node check.mjs TOPIC --network NAME [--find PEER] [--page FILE] ADDRESS...
//
// Each address has /p2p/ and the node's peer id at its end. Prints a line of JSON for each check:
// {check, ok, ms, detail}. The topics are `reach`, `find-node` (the node must tell of the peer of
// --find) and `records` (--page is docs/peer-record.md). Ends with 1 if a check failed.

import './polyfill.mjs';

import { parseArgs } from 'node:util';

const { connect, start, transportOf } = await import('./host.mjs');
const topics = {
  'reach': (await import('./reach.mjs')).reach,
  'find-node': (await import('./find-node.mjs')).find,
  'records': (await import('./records.mjs')).records,
};

const { values, positionals: [topic, ...addresses] } = parseArgs({
  allowPositionals: true,
  options: { network: { type: 'string' }, find: { type: 'string' }, page: { type: 'string' } },
});

if (!(topic in topics) || values.network === undefined || addresses.length === 0) {
  console.error(`usage: node check.mjs ${Object.keys(topics).join('|')} --network NAME ADDRESS...`);
  process.exit(64);
}

// Whatever hangs, this ends.
const END_MS = 180_000;
setTimeout(() => {
  console.error(`no end after ${END_MS} ms`);
  process.exit(1);
}, END_MS).unref();

let failed = 0;

// Runs one check, and says how it went. What it gives is the detail.
async function check(name, run) {
  const begun = performance.now();
  let ok = true;
  let detail;
  try {
    detail = await run();
  } catch (error) {
    ok = false;
    failed += 1;
    detail = `${error.name}: ${error.message}`;
  }
  const ms = Math.round((performance.now() - begun) * 10) / 10;
  console.log(JSON.stringify({ check: name, ok, ms, detail: detail ?? null }));
  return ok ? detail : undefined;
}

for (const address of addresses) {
  const transport = transportOf(address);
  const host = await start(transport);
  let connection;
  await check(`${transport} connect`, async () => {
    connection = await connect(host, address);
    return connection.remoteAddr.toString();
  });
  if (connection !== undefined) {
    await topics[topic]({ address, check, connection, host, transport, ...values });
  }
  await host.stop();
}
process.exit(failed === 0 ? 0 : 1);
