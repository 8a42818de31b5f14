"""Crashes under several mechanisms: determinism, accounting, and what each mechanism does."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from click.testing import CliRunner

from breakwater import markets
from breakwater.cli import main
from breakwater.economics import crashes, mechanisms, picture, results, run
from breakwater.economics.pool import FEE, HALF_LIFE, Pool
from breakwater.economics.population import LARGEST, draw

START = 1_583_971_200  # 12 March 2020
HEAD = "timestamp,open,high,low,close,volume\n"
SETTINGS = run.Settings(population=30, depth=0.003, liquidators=2)


def fall(path, by=0.55, first=200.0, hours=8):
    """A file that falls to `by` of its first price in even steps of an hour, and stays."""
    rows, price = [], first
    for hour in range(hours):
        after = first * by ** ((hour + 1) / (hours - 2)) if hour < hours - 2 else price
        high, low = max(price, after), min(price, after)
        rows.append(f"{START + 3_600 * hour},{price},{high},{low},{after},\n")
        price = after
    path.write_text(HEAD + "".join(rows))
    return path


@pytest.fixture(scope="module")
def crash(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prices")
    for symbol, first in (("ETH", 200.0), ("BTC", 8_000.0)):
        fall(folder / f"2020-03-black-thursday__{symbol}-USDT__venue__1h.csv", first=first)
    found = crashes.read(folder, "2020-03-black-thursday", markets.load())
    return replace(found, end=START + 8 * 3_600)


@pytest.fixture(scope="module")
def runs(crash):
    """A run under each mechanism; prices fall by 45 % in six hours."""
    return {one.name: run.Run(crash, one, SETTINGS) for one in mechanisms.COMPARED}


@pytest.fixture(scope="module")
def found(runs):
    return {name: one.run() for name, one in runs.items()}


def test_crash__one_tip_for_all_which_a_volatile_asset_raises(tmp_path):
    name = "2020-03-black-thursday"
    fall(tmp_path / f"{name}__ETH-USDT__venue__1h.csv")
    quiet = crashes.read(tmp_path, name, markets.load()).market.assets.values()
    assert {asset.parameters["tip"] for asset in quiet} == {100}
    fall(tmp_path / f"{name}__LINK-USDT__venue__1h.csv", first=5.0)
    wild = crashes.read(tmp_path, name, markets.load())
    for asset in wild.market.assets.values():
        assert asset.parameters["tip"] == asset.parameters["incentive_min"] == 200
    done = run.Run(replace(wild, end=START + 3 * 3_600), mechanisms.OURS, SETTINGS).run()
    assert done.debt_by_class[crashes.VOLATILE] > 0


def test_run__same_seed_same_figures(crash, found):
    again = run.Run(crash, mechanisms.OURS, SETTINGS).run()
    assert again.as_json() == found["breakwater"].as_json()
    other = run.Run(crash, mechanisms.OURS, replace(SETTINGS, seed=2)).run()
    assert other.as_json() != again.as_json()


def test_run__what_is_booked_is_what_vaults_and_funds_lost(found):
    for one in found.values():
        assert one.booked == pytest.approx(one.fund_loss + one.lender_loss, abs=0.01)
    assert found["morpho"].booked > 0


def test_run__bad_debt_is_what_is_booked_and_what_is_left(found):
    for name in ("breakwater", "breakwater-off", "aave", "morpho"):
        one = found[name]
        assert one.bad_debt == pytest.approx(one.booked + one.latent)
        assert one.bad_debt == pytest.approx(sum(one.by_class.values()), abs=0.01)


def test_run__incentives_are_what_liquidators_gain_and_lose_to_pools_gas_and_fund(found):
    for name in ("breakwater", "breakwater-off", "aave", "morpho"):
        one = found[name]
        assert one.liquidations > 0
        shared = one.profit + one.slippage + one.gas + one.fund_fee
        assert one.incentive == pytest.approx(shared, rel=1e-6), name


def test_run__what_a_protocol_that_absorbs_pays_is_what_it_has_for_collateral(found):
    one = found["comet"]
    paid = one.repaid + one.booked + one.surplus
    assert one.stock_gain - one.stock_loss == pytest.approx(one.stock_sold - paid, rel=1e-6)
    assert one.stock_loss > 0
    assert one.bad_debt == pytest.approx(one.stock_loss + one.latent)
    assert one.bad_debt == pytest.approx(sum(one.by_class.values()), abs=0.01)
    assert one.profit > 0


def test_run__borrowers_are_the_same_for_all(runs, found):
    first = runs["breakwater"]
    for one in runs.values():
        assert [a.borrower for a in one.accounts] == [a.borrower for a in first.accounts]
        assert {r.debt for r in found.values()} == {first.result.debt}


class Event:
    """Liquidations of a run under a mechanism, as events."""

    def __init__(self, crash, mechanism):
        self.seen = []
        self.run = run.Run(crash, mechanism, SETTINGS)
        booked = self.run._booked

        def note(account, debt, receipt):
            event = receipt.event("Liquidate", self.run.stage.engine.address)
            owed = self.run.stage.units(debt, account.owed[debt])
            self.seen.append((event, owed, account))
            return booked(account, debt, receipt)

        self.run._booked = note
        self.run.run()


def test_mechanism__aave_repays_half_above_its_threshold_for_a_flat_incentive(crash):
    events = Event(crash, mechanisms.AAVE)
    assert {event.incentive for event, *_ in events.seen} <= {5 * 10**16, 0, 10**16}
    whole = half = 0
    for event, owed, account in events.seen:
        value = owed / 10 ** events.run.stage.market.decimals(account.borrower.debt)
        value *= events.run.prices[account.borrower.debt]
        if event.health_factor >= 95 * 10**16 and value > 5_000:
            assert event.repaid <= owed * 0.501
            half += 1
        whole += event.repaid > owed * 0.9
    assert half
    assert whole


def test_mechanism__morpho_closes_whole_debts_at_the_incentive_of_the_threshold(crash):
    events = Event(crash, mechanisms.MORPHO)
    ltv = {name: a.parameters["liquidation_ltv"] for name, a in crash.market.assets.items()}
    for event, _, account in events.seen:
        symbol = events.run.stage.symbol(event.collateral)
        assert symbol in account.borrower.collateral
        if event.incentive > 10**16:
            expected = int((1 / (1 - 0.3 * (1 - ltv[symbol] / 10_000)) - 1) * 10_000)
            assert event.incentive == expected * 10**14
    assert any(event.repaid > 0.99 * owed > 0 for event, owed, _ in events.seen)


def test_mechanism__comet_leaves_neither_collateral_nor_debt(crash):
    events = Event(crash, mechanisms.COMET)
    assert events.seen
    for event, owed, account in events.seen:
        assert not account.held
        assert not account.owed
        assert event.liquidator == events.run.absorber
        # paid, or written off
        assert event.repaid + event.bad_debt == pytest.approx(owed, rel=1e-3)


def test_mechanism__ours_rises_with_violation(crash):
    events = Event(crash, mechanisms.OURS)
    incentives = {event.incentive for event, *_ in events.seen}
    assert len(incentives) > 3
    assert min(incentives) >= 10**16
    assert max(incentives) <= 8 * 10**16


def test_mechanism__breakers_off_believes_a_jump(crash, found):
    assert found["breakwater"].halted > 0
    assert found["breakwater-off"].halted == 0
    assert "price jump is too recent" not in found["breakwater-off"].refused


def test_build__is_undone_afterwards():
    from breakwater import artifacts

    plain = artifacts.load("RiskEngine").bytecode
    codes = set()
    for one in mechanisms.COMPARED:
        with one.build():
            codes.add(artifacts.load("RiskEngine").bytecode)
        assert artifacts.load("RiskEngine").bytecode == plain
    assert plain in codes
    assert len(codes) == 5


def test_pool__one_percent_at_its_depth_and_half_back_after_the_half_life():
    pool = Pool(1_000.0, 50.0)
    lost = pool.proceeds(20.0) / (1_000 * (1 - FEE))
    assert 0.99 < lost < 1  # the price falls by 1 %, the mean of the sale by half
    assert lost == pytest.approx(0.995, abs=1e-4)
    before = pool.proceeds(0.001)
    pool.sell(1_000 / (50 * 0.99) * math.sqrt(0.99))
    assert pool.proceeds(0.001) / before == pytest.approx(0.99, abs=1e-3)
    pool.move(HALF_LIFE, 50.0)
    assert pool.proceeds(0.001) / before == pytest.approx(0.995, abs=1e-3)


def test_pool__a_purchase_undoes_a_sale_but_for_fees():
    pool = Pool(1_000.0, 50.0)
    got = pool.sell(100.0)
    assert pool.buy(100.0) * (1 - FEE) == pytest.approx(got / (1 - FEE))
    assert math.isinf(pool.cost(1e9))
    with pytest.raises(ValueError, match="has not"):
        pool.buy(1e9)


def test_draw__sums_to_the_debt_and_no_account_is_too_large(crash):
    from random import Random

    drawn = draw(Random(3), 200, crash.kinds, 1e7)
    assert sum(one.owed for one in drawn) == pytest.approx(1e7, rel=0.01)
    assert max(one.owed for one in drawn) <= 2 * LARGEST * 1e7
    assert min(one.health for one in drawn) > 1


def test_picture__has_a_bar_for_every_figure(found):
    text = picture.svg(list(found.values()))
    assert text.count('height="12" fill="#') == len(found) * 3
    assert results.markdown(results.HEAD, results.rows(list(found.values()))).count("\n") == 6


def test_economics__a_folder_without_prices_is_skipped(tmp_path):
    found = CliRunner().invoke(main, ["economics", str(tmp_path)])
    assert found.exit_code == 0
    assert "nothing to do" in found.output
    found = CliRunner().invoke(main, ["economics", str(tmp_path / "none")])
    assert found.exit_code == 2
    assert "no such folder" in found.output


def test_economics__ctrl_c_keeps_what_is_done(tmp_path, monkeypatch):
    fall(tmp_path / "2020-03-black-thursday__ETH-USDT__venue__1h.csv", hours=4)
    real, count = run.Run.run, []

    def stops(self, watch=None):
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        return real(self, watch)

    monkeypatch.setattr(run.Run, "run", stops)
    out = tmp_path / "out.json"
    found = CliRunner().invoke(
        main, ["economics", str(tmp_path), "--population", "5", "--json", str(out)]
    )
    assert found.exit_code == 130, found.output
    assert "interrupted" in found.output
    assert [one["mechanism"] for one in json.loads(out.read_text())] == ["breakwater"]


def test_demo__population_compares_on_the_prices_of_the_demo(tmp_path):
    prices = fall(tmp_path / "eth.csv", hours=4)
    args = ["demo", "--prices", str(prices), "--population", "8", "--depth", "0.05"]
    args += ["--out", str(tmp_path), "--json", str(tmp_path / "out.json")]
    found = CliRunner().invoke(main, args)
    assert found.exit_code == 0, found.output
    figures = json.loads((tmp_path / "out.json").read_text())
    assert [one["mechanism"] for one in figures] == [one.name for one in mechanisms.COMPARED]
    assert (tmp_path / "economics.svg").read_text().startswith("<svg")
    refused = CliRunner().invoke(main, ["demo", "--depth", "1"])
    assert refused.exit_code == 2
    assert "goes with --population" in refused.output
