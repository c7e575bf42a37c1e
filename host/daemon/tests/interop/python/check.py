"""Checks a node with py-libp2p:

    python check.py TOPIC --network NAME [--find PEER] [--page FILE] ADDRESS...

Each address has /p2p/ and the node's peer id at its end. Prints a line of JSON for each check:
{check, ok, ms, detail}. The topics are `reach`, `find-node` (the node must tell of the peer of
--find) and `records` (--page is docs/peer-record.md). Ends with 1 if a check failed.
"""

import argparse
import json
import logging
import sys
import time
from dataclasses import dataclass

import trio
from libp2p.abc import IHost
from libp2p.peer.id import ID

import find_node
import reach
import records
from host import connect, started, transport_of

# Whatever hangs, this ends.
END_S = 180

TOPICS = {"reach": reach.reach, "find-node": find_node.find, "records": records.records}


@dataclass
class Node:
    """The node that is checked, and the host that is connected to it."""

    address: str
    transport: str
    network: str
    find: str | None
    page: str | None
    host: IHost
    peer: ID | None = None
    failed: int = 0

    async def check(self, what: str, run):
        """Runs one check, and says how it went. What it gives is the detail."""
        begun = time.monotonic()
        try:
            ok, detail = True, await run()
        except Exception as error:
            ok, detail = False, f"{type(error).__name__}: {error}"
            self.failed += 1
        ms = round((time.monotonic() - begun) * 1000, 1)
        line = {"check": f"{self.transport} {what}", "ok": ok, "ms": ms, "detail": detail}
        print(json.dumps(line), flush=True)
        return ok


async def over(address: str, arguments: argparse.Namespace) -> int:
    """All checks of the topic over one address; how many failed."""
    transport = transport_of(address)
    async with started(transport) as host:
        about = arguments.network, arguments.find, arguments.page
        node = Node(address, transport, *about, host)

        async def connected():
            node.peer = await connect(host, address)
            return str(node.peer)

        if await node.check("connect", connected):
            await TOPICS[arguments.topic](node)
        return node.failed


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("topic", choices=TOPICS)
    parser.add_argument("--network", required=True)
    parser.add_argument("--find")
    parser.add_argument("--page")
    parser.add_argument("address", nargs="+")
    arguments = parser.parse_args()
    with trio.fail_after(END_S):
        return sum([await over(address, arguments) for address in arguments.address])


if __name__ == "__main__":
    # It tells of streams that fail when a connection is closed; what fails here is told anyway.
    logging.disable(logging.ERROR)
    sys.exit(1 if trio.run(main) else 0)
