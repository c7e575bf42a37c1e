"""Whether the node keeps signed records, and only those that hold."""

import re
from pathlib import Path

from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair

import kad
from host import connect, started
from record import INTERNET, Told, envelope, fresh, name, open_envelope, payload, record
from until import until


async def records(node) -> None:
    if node.page:
        await node.check("documented record", lambda: documented(node.page))

    async def get(keys: KeyPair) -> bytes | None:
        return await kad.get(node.host, node.peer, node.network, name(keys))

    async def keeps(keys: KeyPair, value: bytes) -> None:
        await kad.put(node.host, node.peer, node.network, name(keys), value)

        async def kept():
            found = await get(keys)
            return found if found == value else None

        open_envelope(await until(kept))

    async def refuses(forge) -> None:
        victim, value, before = forge(node.network)
        if before:
            await keeps(victim, before)
        await bring(node, name(victim), value)
        # What was brought later is there, so what was brought before was looked at.
        later = create_new_key_pair()
        await keeps(later, record(later, fresh(node.network)))
        if await get(victim) != before:
            raise ValueError("the node gives it to others")
        await keeps(victim, record(victim, fresh(node.network, 1000)))

    own = create_new_key_pair()
    await node.check("put and get", lambda: keeps(own, record(own, fresh(node.network))))
    await node.check("newer record", lambda: keeps(own, record(own, fresh(node.network, 1000))))
    for what, forge in FORGERIES.items():
        await node.check(f"refuses {what}", lambda forge=forge: refuses(forge))


async def bring(node, key: bytes, value: bytes) -> None:
    """Brings a record from a host that nothing is known of."""
    async with started(node.transport) as host:
        await kad.put(host, await connect(host, node.address), node.network, key, value)


def broken_signature(network: str):
    victim = create_new_key_pair()
    value = record(victim, fresh(network))
    return victim, value[:-1] + bytes([value[-1] ^ 1]), None


def signature_of_another(network: str):
    victim, forger = create_new_key_pair(), create_new_key_pair()
    return victim, envelope(forger, payload(victim, fresh(network))), None


def record_of_another(network: str):
    victim, forger = create_new_key_pair(), create_new_key_pair()
    return victim, record(forger, fresh(network)), None


def for_another_network(network: str):
    victim = create_new_key_pair()
    return victim, record(victim, fresh(f"{network}-2")), None


def expired(network: str):
    victim, told = create_new_key_pair(), fresh(network)
    told.issued -= 7200
    told.expires = told.issued + 3600
    return victim, record(victim, told), None


def older(network: str):
    victim = create_new_key_pair()
    return victim, record(victim, fresh(network, -60_000)), record(victim, fresh(network))


FORGERIES = {
    "a broken signature": broken_signature,
    "the signature of another": signature_of_another,
    "the record of another under this name": record_of_another,
    "a record for another network": for_another_network,
    "an expired record": expired,
    "an older record": older,
}


async def documented(page: str) -> None:
    """Whether the bytes on the page are those of a record that is made here."""
    blocks = re.findall(r"```text\n([0-9a-f\s]+)```", Path(page).read_text())
    keys = create_new_key_pair(bytes([1] * 32))
    reach = [(INTERNET, "/ip4/8.8.4.4/udp/4001/quic-v1"), (INTERNET, "/ip6/2a00:1450::1/tcp/4001")]
    told = Told("bitcraps", 1_800_000_000_000, 1_800_000_000, 1_800_086_400, reach)
    made = payload(keys, told)
    wanted = {"name": name(keys), "payload": made, "envelope": envelope(keys, made)}
    for at, (part, value) in enumerate(wanted.items()):
        if at >= len(blocks) or bytes.fromhex("".join(blocks[at].split())) != value:
            raise ValueError(f"the {part} on the page is not {value.hex()}")
