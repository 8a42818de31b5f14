"""Deployment: complete, repeatable, continued after any interruption, owned by the timelock."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from breakwater import deploy, markets
from breakwater.abi import Function
from breakwater.addresses import AddressBook
from breakwater.deploy import DeployError, Protocol
from breakwater.driver import BackstopPool
from breakwater.evm import EvmHost
from breakwater.host import Receipt, Reverted, interface_of
from breakwater.markets import Market
from breakwater.units import WAD


class Interrupted(Exception):
    """Somebody pulled the plug."""


class FailingHost(EvmHost):
    """A host that fails before its n-th change."""

    left: int | None = None

    def _count(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Interrupted
            self.left -= 1

    def deploy(self, name: str, *args: Any, sender: str, value: int = 0) -> str:
        self._count()
        return super().deploy(name, *args, sender=sender, value=value)

    def transact(self, *args: Any, **named: Any) -> Receipt:
        self._count()
        return super().transact(*args, **named)


@pytest.fixture(scope="module")
def market() -> Market:
    return markets.load()


@pytest.fixture
def protocol(market: Market) -> Protocol:
    return deploy.deploy(EvmHost(), market)


def steps_of(market: Market, host: EvmHost, book: AddressBook) -> list[str]:
    done: list[str] = []
    deploy.deploy(host, market, book, progress=lambda step, now: done.append(step) if now else None)
    return done


def test_deploy__is_what_the_market_says(protocol: Protocol, market: Market) -> None:
    deploy.verify(protocol, market)
    assert set(protocol.vaults) == set(market.vaults)
    for symbol, asset in market.assets.items():
        quote = protocol.lens.quote(protocol.tokens[symbol])
        assert (quote.price, quote.status, quote.level) == (asset.price, 0, 0)
    for symbol, spec in market.vaults.items():
        assert protocol.lens.vault(protocol.tokens[symbol]).cash == spec.seed
    assert set(protocol.backstops) == {"USDC"}
    assert protocol.backstops["USDC"].asset() == protocol.tokens["USDC"].address
    assert protocol.contracts()["backstops.USDC"] is protocol.backstops["USDC"]


def test_deploy__backstop_pool_that_is_added_later(market: Market) -> None:
    host = EvmHost()
    book = _memory(market)
    usdc = market.vaults["USDC"]
    without = {**market.vaults, "USDC": replace(usdc, backstop=False)}
    steps_of(replace(market, vaults=without), host, book)
    assert steps_of(market, host, book) == ["backstops.USDC"]


def test_deploy__second_time_does_nothing(market: Market, tmp_path: Path) -> None:
    host = EvmHost()
    path = tmp_path / "book.json"
    assert len(steps_of(market, host, AddressBook.open(path, host, market.name))) > 40
    before = path.read_text()
    assert steps_of(market, host, AddressBook.open(path, host, market.name)) == []
    assert path.read_text() == before


def test_deploy__continues_after_each_interruption(market: Market, tmp_path: Path) -> None:
    reference = FailingHost()
    reference.left = 10**6
    deploy.deploy(reference, market)
    changes = 10**6 - reference.left

    for at in range(changes):
        host = FailingHost()
        path = tmp_path / f"{at}.json"
        host.left = at
        with pytest.raises(Interrupted):
            deploy.deploy(host, market, AddressBook.open(path, host, market.name))
        host.left = None
        host.advance(2 * 86_400)  # every feed has gone stale meanwhile
        book = AddressBook.open(path, host, market.name)
        found = deploy.deploy(host, market, book)
        deploy.verify(found, market)


def test_deploy__continues_after_each_step(market: Market) -> None:
    total = len(steps_of(market, EvmHost(), _memory(market)))
    for at in range(total):
        host, book, count = EvmHost(), _memory(market), 0

        def stop(step: str, now: bool, at: int = at) -> None:
            nonlocal count
            if now:
                count += 1
                if count > at:
                    raise Interrupted

        with pytest.raises(Interrupted):
            deploy.deploy(host, market, book, progress=stop)
        again = steps_of(market, host, book)
        assert len(again) == total - at - 1


def _memory(market: Market) -> AddressBook:
    from breakwater.addresses import Chain

    return AddressBook(Chain(31_337, "in process"), market.name)


def test_deploy__other_chain(market: Market) -> None:
    with pytest.raises(DeployError, match="is for chain 31337, and this is 1"):
        deploy.deploy(EvmHost(chain_id=1), market)


def test_fund_accounts__once(market: Market) -> None:
    host, book = EvmHost(), _memory(market)
    protocol = deploy.deploy(host, market, book)
    lender = protocol.accounts["lender"]
    for _ in range(2):
        deploy.fund_accounts(protocol, book)
        assert protocol.tokens["WETH"].balanceOf(lender) == 2_000 * WAD


def test_set_price__moves_what_follows_it(protocol: Protocol) -> None:
    keeper = protocol.accounts["liquidator"]
    protocol.set_price("WETH", 2_900 * WAD, sender=keeper)
    assert protocol.lens.quote(protocol.tokens["WETH"]).price == 2_900 * WAD
    assert protocol.lens.quote(protocol.tokens["wstETH"]).price == 3_480 * WAD
    with pytest.raises(DeployError, match="follows that of WETH"):
        protocol.set_price("wstETH", 1, sender=keeper)


# ------------------------------------------------------------------------------ who rules


OWNED = "ownable: caller is not the owner"


@pytest.mark.parametrize("who", ["deployer", "guardian", "governor"])
def test_owner__nobody_but_the_timelock(protocol: Protocol, who: str) -> None:
    me = protocol.accounts[who]
    weth, vault = protocol.tokens["WETH"], protocol.vaults["WETH"]
    engine = protocol.credit_engine
    calls = [
        lambda: protocol.configurator.set_borrow_ltv(weth, 7_900, sender=me),
        lambda: protocol.configurator.ramp_liquidation_ltv(weth, 8_000, 3 * 86_400, sender=me),
        lambda: protocol.risk_engine.set_breaker(me, sender=me),
        lambda: protocol.risk_engine.set_configurator(me, sender=me),
        lambda: engine.set_cap(weth, 1, sender=me),
        lambda: engine.set_min_debt(weth, 1, sender=me),
        lambda: engine.transfer_ownership(me, sender=me),
        lambda: vault.write_config(1, 1, sender=me),
        lambda: vault.wind_down(sender=me),
        lambda: protocol.configurator.wind_down_vault(vault, sender=me),
        lambda: vault.set_breaker(me, sender=me),
        lambda: protocol.breaker.set_guardian(me, sender=me),
        lambda: protocol.configurator.set_cap(weth, 1, sender=me),
        lambda: protocol.configurator.set_min_debt(weth, 1, sender=me),
        lambda: protocol.configurator.set_steward(me, sender=me),
        lambda: protocol.breaker.transfer_ownership(me, sender=me),
    ]
    for call in calls:
        with pytest.raises(Reverted) as caught:
            call()
        assert caught.value.reason == OWNED


def test_owner__deployer_has_no_role_in_the_timelock(protocol: Protocol) -> None:
    me, timelock = protocol.accounts["deployer"], protocol.timelock
    with pytest.raises(Reverted, match="account is missing role"):
        timelock.grantRole(timelock.PROPOSER_ROLE(), me, sender=me)
    with pytest.raises(Reverted, match="account is missing role"):
        timelock.schedule(me, 0, b"", bytes(32), bytes(32), 10**6, sender=me)


def test_timelock__changes_a_cap_after_its_delay(protocol: Protocol, market: Market) -> None:
    weth, host = protocol.tokens["WETH"], protocol.host
    governor, anyone = protocol.accounts["governor"], protocol.accounts["lender"]
    function: Function = interface_of("Configurator").function("set_cap", 2)
    payload = function.encode((weth.address, 2**70))
    call = (protocol.configurator, 0, payload, bytes(32), bytes(32))

    protocol.timelock.schedule(*call, market.governance.delay, sender=governor)
    with pytest.raises(Reverted, match="operation is not ready"):
        protocol.timelock.execute(*call, sender=anyone)
    host.advance(market.governance.delay)
    protocol.timelock.execute(*call, sender=anyone)
    assert protocol.credit_engine.book_of(weth)[2] == 2**70

    with pytest.raises(DeployError, match="collateral cap of WETH is 1180591620717411303424"):
        deploy.verify(protocol, market)


def test_timelock__refuses_less_than_its_delay(protocol: Protocol, market: Market) -> None:
    with pytest.raises(Reverted, match="insufficient delay"):
        protocol.timelock.schedule(
            protocol.credit_engine,
            0,
            b"",
            bytes(32),
            bytes(32),
            market.governance.delay - 1,
            sender=protocol.accounts["governor"],
        )


def test_timelock__guardian_cancels(protocol: Protocol, market: Market) -> None:
    timelock = protocol.timelock
    call = (protocol.credit_engine, 0, b"", bytes(32), bytes(32))
    timelock.schedule(*call, market.governance.delay, sender=protocol.accounts["governor"])
    identifier = timelock.hash_operation(*call)
    timelock.cancel(identifier, sender=protocol.accounts["guardian"])
    assert not timelock.is_operation(identifier)


# ------------------------------------------------------------------------------ verify


def test_verify__lists_every_difference(protocol: Protocol, market: Market) -> None:
    weth = market.assets["WETH"]
    other = replace(
        market,
        governance=replace(market.governance, delay=86_400, guardian="lender"),
        assets={
            **market.assets,
            "WETH": replace(
                weth, cap=1, supply_limit=500, parameters={**weth.parameters, "tip": 50}
            ),
        },
        vaults={**market.vaults, "USDC": replace(market.vaults["USDC"], min_debt=7)},
    )
    with pytest.raises(DeployError) as caught:
        deploy.verify(protocol, other)
    said = str(caught.value)
    for piece in (
        "delay of the timelock is 172800, should be 86400",
        "guardian is ",
        "tip of WETH is 100, should be 50",
        "collateral cap of WETH is ",
        "supply_limit of WETH is 0, should be 500",
        "min_debt of USDC is ",
    ):
        assert piece in said
    assert len(said.splitlines()) == 7


def test_verify__backstop_pool_of_another_asset(protocol: Protocol, market: Market) -> None:
    weth = BackstopPool.deploy(
        protocol.host,
        protocol.credit_engine,
        protocol.tokens["WETH"],
        sender=protocol.accounts["lender"],
    )
    other = replace(protocol, backstops={"USDC": weth})
    with pytest.raises(DeployError, match="asset of the backstop pool of USDC is "):
        deploy.verify(other, market)


def test_deploy__watches_a_supply_that_has_a_limit(market: Market) -> None:
    wst = replace(market.assets["wstETH"], supply_limit=1_000)
    watched = replace(market, assets={**market.assets, "wstETH": wst})
    protocol = deploy.deploy(EvmHost(), watched)
    deploy.verify(protocol, watched)
    assert protocol.breaker.supply_of(protocol.tokens["wstETH"]).limit == 1_000
    assert protocol.breaker.supply_of(protocol.tokens["WETH"]).limit == 0


def test_stored_cap__is_what_the_engine_keeps(protocol: Protocol, market: Market) -> None:
    for symbol, asset in market.assets.items():
        kept = protocol.credit_engine.book_of(protocol.tokens[symbol])[2]
        assert asset.cap is not None
        assert kept == deploy.stored_cap(asset.cap)
        assert asset.cap * (1 - 2**-15) < kept <= asset.cap


def test_book__is_plain_json(market: Market, tmp_path: Path) -> None:
    host = EvmHost()
    path = tmp_path / "book.json"
    protocol = deploy.deploy(host, market, AddressBook.open(path, host, market.name))
    tree = json.loads(path.read_text())
    assert tree["contracts"]["lens"]["address"] == protocol.lens.address
    loaded = deploy.load(host, market, AddressBook.open(path, host, market.name))
    assert loaded.contracts() == protocol.contracts()
