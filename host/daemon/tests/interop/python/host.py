"""A host of py-libp2p with one transport, and its connection to the node."""

from contextlib import asynccontextmanager

import trio
from libp2p import new_host
from libp2p.abc import INetStream, IHost
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.exceptions import StreamFailure
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr

# Nothing that is asked of a node takes so long on any machine that works.
PATIENCE_S = 30

# Over QUIC, py-libp2p takes a stream for closed, data and all, whose end arrived before it began to
# read, as that of identify often does: on a fast machine two times in three.
TRIES = 50


def transport_of(address: str) -> str:
    return "quic" if "/quic-v1" in address else "tcp"


@asynccontextmanager
async def started(transport: str):
    """A host with a key of its own, until the block ends."""
    host = new_host(
        key_pair=create_new_key_pair(),
        enable_quic=transport == "quic",
        enable_tcp=transport == "tcp",
    )
    async with host.run(listen_addrs=[]):
        yield host


async def connect(host: IHost, address: str) -> ID:
    """Connects; the handshake proves that it is the peer at the address's end."""
    info = info_from_p2p_addr(Multiaddr(address))
    with trio.fail_after(PATIENCE_S):
        await host.connect(info)
    return info.peer_id


async def opened(host: IHost, peer: ID, protocol: TProtocol) -> INetStream:
    """A stream for one protocol."""
    for _ in range(TRIES - 1):
        try:
            return await host.new_stream(peer, [protocol])
        except StreamFailure:
            continue
    return await host.new_stream(peer, [protocol])
