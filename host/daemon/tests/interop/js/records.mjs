// Whether the node keeps signed records, and only those that hold.

import { readFile } from 'node:fs/promises';

import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys';

import { connect, start } from './host.mjs';
import { get, put } from './kad.mjs';
import { envelope, fresh, name, open, payload } from './record.mjs';
import { until } from './until.mjs';

const key = () => generateKeyPair('Ed25519');

const record = async (privateKey, told) => envelope(privateKey, payload(privateKey, told));

export async function records({ address, check, connection, network, page, transport }) {
  if (page !== undefined) await check(`${transport} documented record`, () => documented(page));

  const keeps = async (key, value) => {
    await put(connection, network, name(key), value);
    const kept = await until(async () => {
      const found = await get(connection, network, name(key));
      return found?.equals(value) ? found : undefined;
    });
    return open(kept);
  };

  const own = await key();
  await check(`${transport} put and get`, async () => {
    const { sequence } = await keeps(own, await record(own, fresh(network)));
    return { sequence };
  });
  await check(`${transport} newer record`, async () => {
    const { sequence } = await keeps(own, await record(own, fresh(network, Date.now() + 1000)));
    return { sequence };
  });

  for (const [what, forge] of Object.entries(FORGERIES)) {
    await check(`${transport} refuses ${what}`, async () => {
      const { victim, value, before } = await forge(network);
      if (before !== undefined) await keeps(victim, before);
      await bring(address, transport, network, name(victim), value);
      // What was brought later is there, so what was brought before was looked at.
      const later = await key();
      await keeps(later, await record(later, fresh(network)));
      const found = await get(connection, network, name(victim));
      if (found !== undefined && (before === undefined || !found.equals(before))) {
        throw new Error('the node gives it to others');
      }
      await keeps(victim, await record(victim, fresh(network, Date.now() + 1000)));
    });
  }
}

// Brings a record from a host that nothing is known of.
async function bring(address, transport, network, name, value) {
  const host = await start(transport);
  try {
    await put(await connect(host, address), network, name, value);
  } finally {
    await host.stop();
  }
}

const FORGERIES = {
  async 'a broken signature'(network) {
    const victim = await key();
    const value = await record(victim, fresh(network));
    value[value.length - 1] ^= 1;
    return { victim, value };
  },
  async 'the signature of another'(network) {
    const [victim, forger] = [await key(), await key()];
    return { victim, value: await envelope(forger, payload(victim, fresh(network))) };
  },
  async 'the record of another under this name'(network) {
    const [victim, forger] = [await key(), await key()];
    return { victim, value: await record(forger, fresh(network)) };
  },
  async 'a record for another network'(network) {
    const victim = await key();
    return { victim, value: await record(victim, fresh(`${network}-2`)) };
  },
  async 'an expired record'(network) {
    const victim = await key();
    const issued = Math.floor(Date.now() / 1000) - 7200;
    return { victim, value: await record(victim, { ...fresh(network), issued, expires: issued + 3600 }) };
  },
  async 'an older record'(network) {
    const victim = await key();
    const before = await record(victim, fresh(network));
    return { victim, before, value: await record(victim, fresh(network, Date.now() - 60_000)) };
  },
};

// Whether the bytes on the page are those of a record that is made here.
async function documented(page) {
  const text = await readFile(page, 'utf8');
  const blocks = [...text.matchAll(/```text\n([0-9a-f\s]+)```/g)];
  const bytes = blocks.map(([, hex]) => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
  const secret = await generateKeyPairFromSeed('Ed25519', Buffer.alloc(32, 1));
  const made = payload(secret, {
    network: 'bitcraps',
    sequence: 1_800_000_000_000,
    issued: 1_800_000_000,
    expires: 1_800_086_400,
    reach: [[3, '/ip4/8.8.4.4/udp/4001/quic-v1'], [3, '/ip6/2a00:1450::1/tcp/4001']],
    capabilities: 1,
    sealing_key: Buffer.alloc(32, 9),
  });
  const wanted = { name: name(secret), payload: made, envelope: await envelope(secret, made) };
  for (const [at, [part, value]] of Object.entries(wanted).entries()) {
    if (!bytes[at]?.equals(value)) {
      throw new Error(`the ${part} on the page is not ${value.toString('hex')}`);
    }
  }
}
