// Whether the node tells whom it knows.

import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';

import { findNode } from './kad.mjs';
import { until } from './until.mjs';

export async function find({ check, connection, find, network, transport }) {
  const key = Buffer.from(peerIdFromString(find).toMultihash().bytes);
  await check(`${transport} find-node`, () => until(async () => {
    const { closer } = await findNode(connection, network, key);
    const wanted = closer.find(({ id }) => key.equals(id));
    const addresses = wanted?.addresses.map((bytes) => multiaddr(bytes).toString()) ?? [];
    return addresses.length > 0 ? { told: closer.length, addresses } : undefined;
  }));
}
