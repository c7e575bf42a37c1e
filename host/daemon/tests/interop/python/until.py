"""Waiting for what a node does by itself."""

import trio

PATIENCE_S = 30
ASK_EVERY_S = 0.25


async def until(ask):
    """Asks until there is an answer."""
    with trio.fail_after(PATIENCE_S):
        while (answer := await ask()) is None:
            await trio.sleep(ASK_EVERY_S)
    return answer
