"""Whether the node tells whom it knows."""

from libp2p.peer.id import ID
from multiaddr import Multiaddr

import kad
from until import until


async def find(node) -> None:
    key = ID.from_string(node.find).to_bytes()

    async def told():
        answer = await kad.find_node(node.host, node.peer, node.network, key)
        for closer in answer.closerPeers:
            if closer.id == key and closer.addrs:
                addresses = [str(Multiaddr(bytes_)) for bytes_ in closer.addrs]
                return {"told": len(answer.closerPeers), "addresses": addresses}
        return None

    await node.check("find-node", lambda: until(told))
