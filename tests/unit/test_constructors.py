"""What constructors log: who reads events alone must see every setting from the start."""

from breakwater.evm import _raw_logs
from tests.market import ZERO


def deployed(market, name, *args):
    """Events of a deployment by `other`, by name and arguments."""
    host = market.host
    host.deploy(name, *args, sender=market.other)
    logs = [host._decoder.decode(log) for log in _raw_logs(host._evm.result)]
    return [(log.name, log.args) for log in logs]


def owners(market):
    """Ownable gives the deployer the ownership, who gives it to the owner."""
    pairs = (ZERO, market.other), (market.other, market.owner)
    return [
        ("OwnershipTransferred", {"previous_owner": old, "new_owner": new}) for old, new in pairs
    ]


def test_constructor__logs_the_owner(market):
    args = market.engine, market.engine, 0, market.owner
    assert deployed(market, "Configurator", *args) == owners(market)
    assert deployed(market, "CreditEngine", market.risk, market.owner) == owners(market)


def test_constructor__logs_the_guardian(market):
    found = deployed(market, "CircuitBreaker", market.owner, market.guardian)
    assert found == [*owners(market), ("SetGuardian", {"guardian": market.guardian})]


def test_constructor__logs_the_breaker(market):
    found = deployed(market, "RiskEngine", market.guardian, market.owner, ZERO)
    assert found == [*owners(market), ("SetBreaker", {"breaker": market.guardian})]


def test_constructor__logs_the_vaults_breaker(market):
    token = market.assets["WBTC"].address
    found = deployed(
        market, "LendingVault", token, market.engine, market.guardian, "Name", "NAME",
        market.owner,
    )  # fmt: skip
    assert found[:2] == owners(market)
    assert found[2:] == [("SetBreaker", {"breaker": market.guardian})]
