// A host of js-libp2p with one transport, and its connection to the node.

import { noise } from '@chainsafe/libp2p-noise';
import { quic } from '@chainsafe/libp2p-quic';
import { yamux } from '@chainsafe/libp2p-yamux';
import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';

// Nothing that is asked of a node takes so long on any machine that works.
const PATIENCE_MS = 30_000;

export const patience = () => AbortSignal.timeout(PATIENCE_MS);

export const transportOf = (address) => (address.includes('/quic-v1') ? 'quic' : 'tcp');

// Hosts have a key of their own unless they are given one.
export async function start(transport, privateKey) {
  const options = {
    tcp: {
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
    },
    quic: { transports: [quic()] },
  }[transport];
  return createLibp2p({
    ...options,
    ...(privateKey === undefined ? {} : { privateKey }),
    // Its own tests of liveness would count against what a guest may do.
    connectionMonitor: { enabled: false },
    services: { identify: identify({ runOnConnectionOpen: false }), ping: ping() },
  });
}

export async function connect(host, address) {
  const connection = await host.dial(multiaddr(address), { signal: patience() });
  const wanted = address.slice(address.lastIndexOf('/p2p/') + '/p2p/'.length);
  if (connection.remotePeer.toString() !== wanted) {
    throw new Error(`${connection.remotePeer} answered`);
  }
  return connection;
}
