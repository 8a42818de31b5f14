"""The README against the code: the life of a position in numbers, and everything it names.

The numbers stand in the README in tables between two markers, a figure and its value in a row. The
life is lived again here on the real contracts, and every figure must come out as it is printed.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.report import readme
from breakwater import deploy, markets
from breakwater.evm import EvmHost
from breakwater.fuzz import counterexample, planted, replay
from breakwater.host import Receipt, Reverted
from breakwater.model import interest
from breakwater.units import (
    DAY,
    HOUR,
    MAX_UINT256,
    WAD,
    YEAR,
    account_id,
    format_units,
    parse_amount,
)

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BEGIN, END = "<!-- life: begin -->", "<!-- life: end -->"

STEP = 6 * HOUR
"""Between two prices of the slide."""


# ------------------------------------------------------------ what is printed


def printed() -> dict[str, str]:
    """Every figure of the life and its value, as the README has them."""
    assert README.count(BEGIN) == README.count(END) == 1
    part = README.split(BEGIN)[1].split(END)[0]
    found: dict[str, str] = {}
    for line in part.splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 2, f"a row of the life has two cells: {line}"
        if cells[0] == "figure" or set(cells[0]) <= {"-", ":"}:
            continue
        assert cells[0] not in found, f"printed twice: {cells[0]}"
        found[cells[0]] = cells[1]
    return found


# ------------------------------------------------------------ the life


def usdc(amount: int) -> str:
    return format_units(amount, 6, 2) + " USDC"


def weth(amount: int) -> str:
    return format_units(amount, 18, 4) + " WETH"


def usd(value: int) -> str:
    return format_units(value, 18, 2) + " USD"


def ratio(value: int) -> str:
    return format_units(value, 18, 4)


def times(value: int) -> str:
    return format_units(value, 18, 2) + " x"


def percent(value: int) -> str:
    """A WAD ratio in percent, rounded to the nearest."""
    return format_units(value * 100 + WAD // 200, 18, 2) + " %"


class Life:
    """The market of `markets/devnet.yaml`, with ether at 2,000 USD, and one position in it."""

    def __init__(self, folder: Path) -> None:
        text = markets.DEFAULT.read_text(encoding="utf-8")
        assert text.count("price: 3_000 USD") == 1
        path = folder / "life.yaml"
        path.write_text(text.replace("price: 3_000 USD", "price: 2_000 USD"), encoding="utf-8")
        self.host = EvmHost()
        self.protocol = deploy.deploy(self.host, markets.load(path))
        self.owner = self.protocol.accounts["deployer"]
        self.lender = self.host.account("lender")
        self.borrower = self.host.account("borrower")
        self.liquidator = self.host.account("liquidator")
        self.keeper = self.host.account("keeper")
        self.account = account_id(self.borrower, 1)
        self.usdc, self.weth = (self.protocol.tokens[symbol] for symbol in ("USDC", "WETH"))
        self.vault, self.engine = self.protocol.vaults["USDC"], self.protocol.credit_engine
        self.price = 2_000 * WAD
        self.figures: dict[str, str] = {}

    def give(self, symbol: str, who: str, amount: int) -> None:
        token = self.protocol.tokens[symbol]
        token.mint(who, amount, sender=self.owner)
        for spender in (self.vault, self.engine):
            token.approve(spender, MAX_UINT256, sender=who)

    def print_price(self, price: int) -> None:
        """Every source of ether answers `price`, every one of USDC 1; a keeper pokes both."""
        self.price = price
        self.protocol.set_price("WETH", price, sender=self.owner)
        self.protocol.set_price("USDC", WAD, sender=self.owner)
        for token in (self.usdc, self.weth):
            self.protocol.breaker.poke(token, sender=self.keeper)

    @property
    def owed(self) -> int:
        """Debt of the account."""
        state = self.protocol.lens.account(self.account)
        return sum(leg.amount for leg in state.legs if leg.is_debt)

    @property
    def collateral(self) -> int:
        """Collateral of the account."""
        state = self.protocol.lens.account(self.account)
        return sum(leg.amount for leg in state.legs if not leg.is_debt)

    @property
    def fund(self) -> int:
        """What the insurance fund holds."""
        shares = self.vault.balanceOf(self.vault.fund())
        shares += self.vault.fee_shares()
        return int(self.vault.convertToAssets(shares))

    @property
    def claim(self) -> int:
        """What the lender can claim."""
        return int(self.vault.convertToAssets(self.vault.balanceOf(self.lender)))

    def liquidate(self) -> Receipt:
        return self.engine.liquidate(
            self.account, self.usdc, self.weth, MAX_UINT256, 0, self.liquidator, bytes(32), b"",
            sender=self.liquidator,
        )  # fmt: skip

    # the stages, in order

    def open(self) -> None:
        self.give("USDC", self.lender, parse_amount("19_000 USDC", {"USDC": 6})[0])
        self.vault.deposit(19_000 * 10**6, self.lender, sender=self.lender)
        self.give("WETH", self.borrower, 10 * WAD)
        self.engine.deposit_collateral(self.account, self.weth, 10 * WAD, sender=self.borrower)
        most = self.protocol.lens.max_borrow(self.account, self.usdc)
        self.engine.borrow(
            self.account, self.usdc, 12_000 * 10**6, self.borrower, sender=self.borrower
        )
        self.host.advance(12)
        state = self.protocol.lens.account(self.account)
        self.figures |= {
            "most that could be borrowed": usdc(most),
            "collateral at borrow_ltv": usd(state.margin.collateral),
            "initial margin": ratio(state.margin.collateral * WAD // (12_000 * WAD)),
            "leverage": times(state.leverage),
            "health factor": ratio(state.health.health_factor),
            "liquidation price": usd(self.protocol.lens.liquidation_price(self.account, self.weth)),
            "utilization": percent(self.vault.utilization()),
            "borrow rate a year": percent(self.vault.borrow_rate() * YEAR),
        }
        self.claim_at_first = self.claim
        self.fund_at_first = self.fund

    def wait_a_year(self) -> None:
        # 12 seconds have passed already
        self.host.advance(YEAR - 12)
        self.print_price(self.price)
        health = self.protocol.lens.account(self.account).health
        lender, fund = self.claim - self.claim_at_first, self.fund - self.fund_at_first
        self.figures |= {
            "debt after a year": usdc(self.owed),
            "interest": usdc(self.owed - 12_000 * 10**6),
            "of it to the lender": usdc(lender),
            "of it to the fund, fee and share of interest": usdc(fund),
            "health factor after a year": ratio(health.health_factor),
            "liquidation price after a year": usd(
                self.protocol.lens.liquidation_price(self.account, self.weth)
            ),
        }

    def slide(self) -> None:
        """To 1,450 USD in 30 days of even steps, poked at each."""
        steps = 30 * DAY // STEP
        start = self.price
        for step in range(1, steps + 1):
            self.host.advance(STEP)
            price = start - (start - 1_450 * WAD) * step // steps
            self.print_price(price - price % 10**10)
        state = self.protocol.lens.account(self.account)
        quote = self.protocol.lens.quote(self.weth)
        assert quote.status == 0
        terms = self.protocol.lens.preview_liquidate(
            self.account, self.usdc, self.weth, MAX_UINT256
        )
        self.figures |= {
            "debt at 1,450": usdc(state.legs[1].amount),
            "daily volatility measured": percent(quote.volatility),
            "health factor before": ratio(state.health.health_factor),
            "incentive": percent(terms.incentive),
        }

        self.give("USDC", self.liquidator, 20_000 * 10**6)
        paid, seized = self.liquidate().value
        assert (paid, seized) == (terms.repay + terms.fund_fee, terms.seized)
        health = self.protocol.lens.account(self.account).health
        worth = seized * 1_450
        self.figures |= {
            "repaid": usdc(terms.repay),
            "seized": weth(seized),
            "worth of what was seized": usd(worth),
            "fund's part of the incentive": usdc(terms.fund_fee),
            "left to the liquidator": usdc(worth // 10**12 - paid),
            "health factor after": ratio(health.health_factor),
            "collateral left": weth(self.collateral),
            "debt left": usdc(self.owed),
        }

    def gap(self) -> None:
        """To 900 USD between two prints."""
        self.host.advance(HOUR)
        self.print_price(900 * WAD)
        with pytest.raises(Reverted) as refused:
            self.liquidate()
        self.host.advance(600)
        claim, fund, shares = self.claim, self.fund, self.vault.debt_shares()
        price_before = self.vault.convertToAssets(10**12)
        health = self.protocol.lens.account(self.account).health
        receipt = self.liquidate()
        paid, seized = receipt.value
        [loss] = [log for log in receipt.logs if log.name == "WriteOff"]
        price_after = self.vault.convertToAssets(10**12)
        assert loss.loss == loss.fund_loss + loss.lender_loss
        # what was paid cancels shares, and what is left of them is the loss, rounded up
        index = self.vault.debt_index()
        assert loss.shares == shares - interest.shares_cancelled(paid, index)
        assert loss.loss == interest.owed(loss.shares, index)
        self.figures |= {
            "at first refused, with": f"`{refused.value.reason}`",
            "collateral value C": usd(health.collateral_value),
            "debt value D": usd(health.debt_value),
            "repaid, C / (1 + tip)": usdc(paid),
            "seized, all of it": weth(seized),
            "loss": usdc(loss.loss),
            "paid by the fund": usdc(loss.fund_loss),
            "lost by lenders": usdc(loss.lender_loss),
            "lender's claim before": usdc(claim),
            "lender's claim after": usdc(self.claim),
            "value of a share falls by": percent(
                (price_before - price_after) * WAD // price_before
            ),
            "debt of the account": usdc(self.owed),
        }
        assert fund - loss.fund_loss in (0, 1)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    life = Life(tmp_path_factory.mktemp("life"))
    for stage in (life.open, life.wait_a_year, life.slide, life.gap):
        stage()
    return life.figures


def test_life__is_what_the_readme_prints(lived: dict[str, str]) -> None:
    assert printed() == lived


# ------------------------------------------------------------ what is named


def spans(text: str = README) -> list[str]:
    """Everything in backquotes, fenced blocks aside."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return re.findall(r"`([^`\n]+)`", text)


def named_paths() -> set[str]:
    """Paths in backquotes and in links."""
    top = {path.name for path in ROOT.iterdir()}
    paths = {span.split("::")[0] for span in spans() if re.fullmatch(r"[\w./-]+(::\w+)?", span)}
    found = {path for path in paths if "/" in path and path.split("/")[0] in top}
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", README)
    return found | set(links)


# what a run writes is not there before it
WRITTEN = (".build/", "out/", "deployments/")


def test_paths__exist() -> None:
    paths = named_paths()
    assert len(paths) > 20
    missing = {p for p in paths if not p.startswith(WRITTEN) and not (ROOT / p).exists()}
    assert not missing


def tree() -> list[str]:
    """Paths of the architecture's tree, two blanks for each level."""
    block = README.split("```text\n")[1].split("```")[0]
    found: list[str] = []
    parents: list[str] = []
    for line in block.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        parents = [*parents[:depth], name]
        found.append("".join(parents))
    return found


def test_laboratory__paths_exist() -> None:
    text = (ROOT / "docs/laboratory.md").read_text(encoding="utf-8")
    paths = {span.split("::")[0] for span in spans(text)}
    top = ("benchmarks/", "breakwater/", "contracts/", "docs/", "snapshots/", "tests/")
    named = {path for path in paths if path.startswith(top) and re.fullmatch(r"[\w./-]+", path)}
    assert len(named) > 20
    assert not {path for path in named if not (ROOT / path).exists()}
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", text)
    assert not [link for link in links if not (ROOT / "docs" / link).exists()]


@pytest.mark.parametrize("with_bug", [True, False])
def test_laboratory__its_counterexample_breaks_what_it_says(with_bug: bool) -> None:
    found = counterexample.load(ROOT / "docs/counterexample.json")
    assert found.planted is not None
    bug = planted.compiler(planted.load(found.planted)) if with_bug else None
    playback = replay.Replayer(replay.new_world(found.market, bug)).play(found.steps)
    assert (playback.broke(found.promise) is not None) == with_bug


def test_tree__exists() -> None:
    names = tree()
    assert len(names) > 20
    assert not [name for name in names if not (ROOT / name).exists()]


def promises() -> dict[str, str]:
    """Identifier and last cell of each row of the table of promises."""
    part = README.split("## Promises")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in part.splitlines() if re.match(r"\| [A-Z]+-\d+ \|", line)]  # fmt: skip
    return {row[0]: row[-1] for row in rows}


IDENTIFIERS = [
    *(f"SOLV-{i}" for i in range(1, 12)),
    *(f"LIVE-{i}" for i in range(1, 5)),
    *(f"GATE-{i}" for i in range(1, 5)),
    "CAP-1",
]


def test_promises__are_all_there() -> None:
    assert list(promises()) == IDENTIFIERS


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_promises__name_tests_that_exist(identifier: str) -> None:
    cell = promises()[identifier]
    tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", cell)
    assert tests
    for path, name in tests:
        assert (ROOT / path).is_file(), path
        if name:
            module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
            assert name in functions, f"{path}::{name}"


def test_promises__state_checks_are_those_of_the_code() -> None:
    from breakwater.promises import catalogue

    judged = {promise.id for promise in catalogue()}
    assert {name for name, cell in promises().items() if cell.startswith("state check")} == judged


def test_promises__watched_are_those_of_the_code() -> None:
    from breakwater.fuzz import books, grants, lane, liquidations, rulings, trials, watch

    named = set()
    for module in (lane, trials, watch, books, grants, liquidations, rulings):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        named |= set(re.findall(r'"((?:SOLV|LIVE|GATE|CAP)-\d+)"', text))
    assert {name for name, cell in promises().items() if "lane, machine" in cell} == named


FIGURES = {
    "lender deposit": "deposit",
    "lender withdraw": "withdraw",
    "add collateral": "add_collateral",
    "borrow, 1 collateral": "borrow_1",
    "borrow, 3 collaterals, all needed": "borrow_3",
    "withdraw collateral with debt": "withdraw_collateral",
    "repay": "repay",
    "liquidate, partial": "liquidate",
    "liquidate, 8 legs, costliest feeds": "liquidate_fullest",
    "flash loan": "flash_loan",
    "price check of an asset, 1 source": "price_1",
    "price check of an asset, 2 sources": "price_2",
    "leverage, open with own collateral": "leverage_open",
    "leverage, raise": "leverage_raise",
    "leverage, lower": "leverage_lower",
    "leverage, close": "leverage_close",
    "swap of collateral in an account": "leverage_swap_collateral",
    "swap of debt in an account": "leverage_swap_debt",
    "order of an owner, by a keeper": "order_execute",
}
"""Rows of the table of gas, and their keys in snapshots/gas.json."""


def test_gas__is_that_of_the_snapshot() -> None:
    gas = json.loads((ROOT / "snapshots/gas.json").read_text(encoding="utf-8"))
    for title, key in FIGURES.items():
        [ours] = re.findall(rf"^\| {re.escape(title)} \| ([\d,]+) \|", README, flags=re.M)
        assert ours == f"{gas[key]:,}", title


FUZZ = json.loads((ROOT / "snapshots/fuzz.json").read_text(encoding="utf-8"))


def fuzz_rows() -> list[str]:
    part = README.split("### Fuzz")[1].split("\n#")[0]
    return [line for line in part.splitlines() if line.startswith("|")]


def test_fuzz__is_that_of_the_snapshot() -> None:
    table = readme(FUZZ)
    assert fuzz_rows() == table, "the table must be\n" + "\n".join(table)


def test_fuzz__bugs_are_those_of_the_patches() -> None:
    promised = {bug.name: bug.promise for bug in planted.catalogue()}
    assert {name: one["promise"] for name, one in FUZZ["planted"].items()} == promised
    text = (ROOT / "tests/planted/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\].*\| ([\w-]+) \| [\w, ]+ \|$", text, flags=re.M)
    assert dict(rows) == promised


def test_fuzz__what_was_not_found_is_shown() -> None:
    table = "\n".join(fuzz_rows())
    seeds = {len(one["runs"]) for one in FUZZ["planted"].values()}
    [named] = re.findall(r"^\| found with every seed, of ([\d or]+) \|", table, flags=re.M)
    assert {int(number) for number in named.split(" or ")} == seeds
    for name, one in FUZZ["planted"].items():
        hits = sum(run["promise"] is not None for run in one["runs"])
        row = f"| not found with every seed: `{name}` | {hits} of {len(one['runs'])} |"
        assert (row in table) == (hits < len(one["runs"])), name


def test_fuzz__says_how_it_was_measured() -> None:
    for name in fuzz.LANES:
        run = FUZZ["runs"][name]
        assert re.fullmatch(r"unknown|[0-9a-f]{7,40}( dirty)?", run["commit"])
        assert set(run["options"]) == {"calls", "seeds", "seconds"}
        assert run["machine"]["cores"]
    assert "lacks" not in FUZZ["planted"]


def test_sizes__are_those_of_the_snapshot() -> None:
    sizes = json.loads((ROOT / "snapshots/sizes.json").read_text(encoding="utf-8"))
    part = README.split("### Size")[1].split("\n#")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", part, flags=re.M))
    assert rows == {name: f"{sizes[name]:,}" for name in rows}
    assert {name for name in sizes if not name.endswith("Mock")} == set(rows)
