"""The leverage router beside a deployed market: once, over that market's engine, and it works."""

import pytest

from breakwater import deploy, foreign, markets
from breakwater.addresses import AddressBook, identify
from breakwater.deploy import DeployError, Protocol
from breakwater.deploy.periphery import ROUTER, leverage_router
from breakwater.evm import EvmHost

pytestmark = pytest.mark.needs("uniswap")


@pytest.fixture(scope="module")
def deployed() -> tuple[Protocol, AddressBook, str]:
    market, host = markets.load(), EvmHost()
    book = AddressBook(identify(host), market.name)
    protocol = deploy.deploy(host, market, book)
    return protocol, book, foreign.factory(host)


def test_leverage_router__once(deployed: tuple[Protocol, AddressBook, str]) -> None:
    protocol, book, factory = deployed
    sender = protocol.accounts["deployer"]
    router, now = leverage_router(protocol, book, factory, sender=sender)
    assert now
    assert book.address(ROUTER) == router.address
    assert (router.credit_engine(), router.factory()) == (protocol.credit_engine.address, factory)
    again, now = leverage_router(protocol, book, factory, sender=sender)
    assert (again.address, now) == (router.address, False)
    book.check(protocol.host)


def test_leverage_router__over_other_contracts(deployed: tuple[Protocol, AddressBook, str]) -> None:
    protocol, book, factory = deployed
    sender = protocol.accounts["deployer"]
    leverage_router(protocol, book, factory, sender=sender)
    other = foreign.factory(protocol.host)
    with pytest.raises(DeployError, match=f"factory of the leverage router is .*be {other}"):
        leverage_router(protocol, book, other, sender=sender)
