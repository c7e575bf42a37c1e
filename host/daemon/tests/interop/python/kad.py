"""Questions to the DHT of a network, one stream each."""

import trio
from libp2p.abc import IHost
from libp2p.custom_types import TProtocol
from libp2p.kad_dht.pb.kademlia_pb2 import Message, Record
from libp2p.peer.id import ID
from libp2p.utils import encode_varint_prefixed, read_varint_prefixed_bytes

from host import PATIENCE_S, opened


def protocol(network: str) -> TProtocol:
    plain = "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "-_.")
        else f"~{byte:02x}"
        for byte in network.encode()
    )
    return TProtocol(f"/pointsman/{plain}/kad/1")


async def ask(host: IHost, peer: ID, network: str, question: Message) -> Message:
    with trio.fail_after(PATIENCE_S):
        stream = await opened(host, peer, protocol(network))
        await stream.write(encode_varint_prefixed(question.SerializeToString()))
        answer = Message.FromString(await read_varint_prefixed_bytes(stream))
        await stream.close()
    if answer.type != question.type:
        raise ValueError(f"asked with {question.type}, answered with {answer.type}")
    return answer


async def find_node(host: IHost, peer: ID, network: str, key: bytes) -> Message:
    question = Message(type=Message.FIND_NODE, key=key)
    return await ask(host, peer, network, question)


async def get(host: IHost, peer: ID, network: str, key: bytes) -> bytes | None:
    """What the node keeps under the key, if anything."""
    answer = await ask(host, peer, network, Message(type=Message.GET_VALUE, key=key))
    if not answer.HasField("record"):
        return None
    if answer.record.key != key:
        raise ValueError("a record with another name than was asked for")
    return answer.record.value


async def put(host: IHost, peer: ID, network: str, key: bytes, value: bytes) -> None:
    """A node answers with the same record before it looks at it: see get for what became of it."""
    record = Record(key=key, value=value)
    question = Message(type=Message.PUT_VALUE, key=key, record=record)
    answer = await ask(host, peer, network, question)
    if answer.record.value != value:
        raise ValueError("the answer to PUT_VALUE is not what was put")
