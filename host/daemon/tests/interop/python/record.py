"""A peer's signed record, made as docs/peer-record.md says."""

import time
from dataclasses import dataclass, field

from libp2p.crypto.keys import KeyPair
from libp2p.peer.envelope import Envelope, make_unsigned, unmarshal_envelope
from libp2p.peer.id import ID
from libp2p.utils import encode_uvarint
from multiaddr import Multiaddr

DOMAIN = "pointsman-peer-record"
PAYLOAD_TYPE = b"/pointsman/peer-record/1"

LAN, INTERNET = 2, 3


@dataclass
class Told:
    """What a record says beside whose it is."""

    network: str
    sequence: int
    issued: int
    expires: int
    reach: list[tuple[int, str]]
    capabilities: int = 1
    sealing_key: bytes = field(default=bytes([9] * 32))


def fresh(network: str, later_ms: int = 0) -> Told:
    """A record that holds for an hour from now."""
    now_ms = time.time_ns() // 1_000_000
    reach = [(INTERNET, "/ip4/127.0.0.1/udp/4001/quic-v1"), (LAN, "/ip4/127.0.0.1/tcp/4001")]
    issued = now_ms // 1000
    return Told(network, now_ms + later_ms, issued, issued + 3600, reach)


def peer_bytes(keys: KeyPair) -> bytes:
    return ID.from_pubkey(keys.public_key).to_bytes()


def name(keys: KeyPair) -> bytes:
    """Its name in the DHT."""
    return b"/pointsman/peer/" + peer_bytes(keys)


def number(tag: int, value: int) -> bytes:
    return encode_uvarint(tag << 3) + encode_uvarint(value) if value else b""


def octets(tag: int, value: bytes) -> bytes:
    return encode_uvarint(tag << 3 | 2) + encode_uvarint(len(value)) + value


def payload(keys: KeyPair, told: Told) -> bytes:
    reach = [number(1, transport) + octets(2, Multiaddr(address).to_bytes())
             for transport, address in told.reach]
    return b"".join([
        octets(1, peer_bytes(keys)),
        octets(2, told.network.encode()),
        number(3, told.sequence),
        number(4, told.issued),
        number(5, told.expires),
        *(octets(6, one) for one in reach),
        number(7, told.capabilities),
        octets(8, told.sealing_key),
    ])


def envelope(signer: KeyPair, payload: bytes) -> bytes:
    signature = signer.private_key.sign(make_unsigned(DOMAIN, PAYLOAD_TYPE, payload))
    return Envelope(signer.public_key, PAYLOAD_TYPE, payload, signature).marshal_envelope()


def record(keys: KeyPair, told: Told) -> bytes:
    return envelope(keys, payload(keys, told))


def open_envelope(bytes_: bytes) -> bytes:
    """Its payload; raises where the signature does not hold."""
    opened = unmarshal_envelope(bytes_)
    opened.validate(DOMAIN)
    return opened.raw_payload
