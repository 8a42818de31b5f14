"""What stands beside a market where there is Uniswap v3: it rules nothing, anyone may deploy it."""

from __future__ import annotations

from breakwater.addresses import AddressBook
from breakwater.deploy.protocol import DeployError, Protocol
from breakwater.driver import LeverageRouter

ROUTER = "leverage_router"
"""Its key in the address book."""


def leverage_router(
    protocol: Protocol, book: AddressBook, factory: str, *, sender: str
) -> tuple[LeverageRouter, bool]:
    """The router over the market's engine and Uniswap's factory, and whether it was deployed now.

    Read back from the chain: DeployError where the book's one stands on other contracts.
    """
    host, done = protocol.host, ROUTER in book
    if not done:
        made = LeverageRouter.deploy(host, protocol.credit_engine, factory, sender=sender)
        book.add(ROUTER, LeverageRouter.NAME, made.address, host)
    router = LeverageRouter.at(host, book.address(ROUTER))
    wanted = {"engine": protocol.credit_engine.address, "factory": factory}
    found = {"engine": router.credit_engine(), "factory": router.factory()}
    for what, address in wanted.items():
        if found[what] != address:
            raise DeployError(
                f"the {what} of the leverage router is {found[what]}, should be {address}"
            )
    return router, not done
