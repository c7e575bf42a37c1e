// A peer's signed record, made as docs/peer-record.md says.

import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { RecordEnvelope } from '@libp2p/peer-record';
import { multiaddr } from '@multiformats/multiaddr';

import { PeerRecord } from './proto.mjs';

const DOMAIN = 'pointsman-peer-record';
const PAYLOAD_TYPE = Buffer.from('/pointsman/peer-record/1');

const peerBytes = (privateKey) => Buffer.from(peerIdFromPrivateKey(privateKey).toMultihash().bytes);

// Its name in the DHT.
export const name = (privateKey) =>
  Buffer.concat([Buffer.from('/pointsman/peer/'), peerBytes(privateKey)]);

export const payload = (privateKey, { reach, ...told }) =>
  Buffer.from(PeerRecord.encode({
    peer: peerBytes(privateKey),
    ...told,
    reach: reach.map(([transport, address]) => ({ transport, address: multiaddr(address).bytes })),
  }).finish());

export async function envelope(privateKey, payload) {
  const record = { domain: DOMAIN, codec: PAYLOAD_TYPE, marshal: () => payload };
  return Buffer.from((await RecordEnvelope.seal(record, privateKey)).marshal());
}

// Throws where the signature does not hold.
export async function open(bytes) {
  const { payload } = await RecordEnvelope.openAndCertify(bytes, DOMAIN);
  return PeerRecord.toObject(PeerRecord.decode(payload), { longs: Number });
}

// A record that holds for an hour from now.
export function fresh(network, sequence = Date.now()) {
  const issued = Math.floor(Date.now() / 1000);
  return {
    network,
    sequence,
    issued,
    expires: issued + 3600,
    reach: [[3, '/ip4/127.0.0.1/udp/4001/quic-v1'], [2, '/ip4/127.0.0.1/tcp/4001']],
    capabilities: 1,
    sealing_key: Buffer.alloc(32, 9),
  };
}
