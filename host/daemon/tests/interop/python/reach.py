"""Whether the node can be reached: identify and ping."""

import trio
from libp2p.host.ping import PingService
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import parse_identify_response
from libp2p.utils.varint import read_length_prefixed_protobuf

from host import PATIENCE_S, opened

PINGS = 3


async def reach(node) -> None:
    async def identify():
        with trio.fail_after(PATIENCE_S):
            stream = await opened(node.host, node.peer, IDENTIFY)
            answer = await read_length_prefixed_protobuf(stream, use_varint_format=True)
            await stream.close()
        told = parse_identify_response(answer)
        if told.protocol_version != "/pointsman/1" or not told.agent_version.startswith("pointsman/"):
            raise ValueError(f"{told.protocol_version} {told.agent_version}")
        return {"agent": told.agent_version, "protocols": list(told.protocols)}

    async def ping():
        with trio.fail_after(PATIENCE_S):
            return {"took_ms": await PingService(node.host).ping(node.peer, PINGS)}

    await node.check("identify", identify)
    await node.check("ping", ping)
