"""A market after genesis, and what lists another asset there."""

import pytest

from breakwater.mocks import AggregatorMock, TokenMock
from breakwater.units import WAD
from tests.market import CONFIG, ZERO


@pytest.fixture
def sealed(market):
    """Genesis is over."""
    market.configurator.seal(sender=market.owner)
    return market


@pytest.fixture
def new(market):
    """Lists a token at 5 dollars, with a target of 0.76 million dollars."""
    host, owner = market.host, market.owner

    def make(target=2**77, sender=owner, **changes):
        token = TokenMock.deploy(host, "New", "NEW", 18, sender=owner)
        token.feed = AggregatorMock.deploy(host, 8, 5 * 10**8, sender=owner)
        fields = {
            **CONFIG, "source": token.feed.address, "min_price": WAD // 8,
            "max_price": 2**64 - 1, **changes,
        }  # fmt: skip
        config = market.assets["WETH"].config._replace(**fields)
        token.receipt = market.configurator.list_asset(
            token, config, target, False, ZERO, 0, sender=sender
        )
        return token

    return make
