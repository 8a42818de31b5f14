"""The instrumented build behaves as the plain one does, and its bits mean what they say."""

import json
import random
import re
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from breakwater import artifacts
from breakwater.cli import main
from breakwater.commands import coverage as command
from breakwater.coverage import host as coverage_host
from breakwater.coverage import report as report_module
from breakwater.coverage.host import Coverage, CoverageHost, NotCoverage
from breakwater.coverage.instrument import (
    BIG,
    FIRST_SLOT,
    FLAG_SLOT,
    SITE_BYTES,
    instrument,
    instrument_source,
)
from breakwater.coverage.report import File, Place, fill, measure, ranges, tabulate, write_html
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.host import Reverted, interface_of
from tests.market import ASSETS, Market

SOURCE = """# pragma version 0.4.3
LIMIT: immutable(uint256)
total: uint256
log_of: HashMap[address, uint256]

event Added:
    amount: uint256

@deploy
def __init__(limit: uint256):
    assert limit != 0, "no limit"
    LIMIT = limit

@external
def add(amount: uint256, twice: bool) -> uint256:
    if amount > LIMIT:
        self._fail("too much")
    elif amount == 7:
        self.total += 70
    else:
        self.total += amount
    if twice and amount != 0:
        self.total += (
            amount
        )
    self.log_of[msg.sender] = 9 if amount == 3 else 5
    log Added(amount=amount)
    return self.total

@external
@view
def count(n: uint256) -> uint256:
    found: uint256 = 0
    for i: uint256 in range(n, bound=10):
        if i == 4:
            break
        found += i
    return found

@external
@view
def either(a: bool, b: bool, c: bool) -> bool:
    assert a or b or c
    return True

@external
def unused():
    self.total = 1

@internal
@pure
def _fail(why: String[32]):
    raise why
"""
LINE = {text.strip(): number for number, text in enumerate(SOURCE.splitlines(), 1)}


@pytest.fixture(autouse=True)
def _ours(monkeypatch):
    monkeypatch.delenv("BREAKWATER_COVERAGE", raising=False)
    monkeypatch.delenv("BREAKWATER_TRACEBACK", raising=False)


class Probe:
    """The contract above, and what was seen of it."""

    def __init__(self, skip=False, coverage=None, limit=100):
        self.plain = artifacts.compile_source(SOURCE, "Probe")
        self.build = instrument_source(SOURCE, self.plain)
        self.host = CoverageHost(coverage, skip=skip)
        self.sender = self.host.account("owner")
        self.address = self.host.deploy_raw(
            self.plain.abi, self.plain.bytecode, [limit], sender=self.sender
        )

    def run(self, function, *args):
        return self.host.transact(
            self.address, self.plain.abi, function, args, sender=self.sender
        ).value

    def view(self, function, *args):
        return self.host.call(self.address, self.plain.abi, function, args)

    @property
    def file(self) -> File:
        self.host.new_bits()
        files = tabulate([self.build])
        numbers = self.host.coverage.hits.get(self.build.key, set())
        fill(files, self.build, numbers, {"contracts/Probe.vy"})
        return files["contracts/Probe.vy"]

    def seen(self, text, what):
        """Outcomes seen of the conditions in a line, in order of column."""
        branches = self.file.branches
        return [
            {outcome for outcome, seen in branches[place].items() if seen}
            for place in sorted(branches)
            if place.line == LINE[text] and place.what == what
        ]

    def hit(self, text):
        return self.file.lines[LINE[text]]


def test_lines__those_that_ran():
    probe = Probe()
    assert probe.hit("LIMIT = limit")
    assert not probe.hit("self.total += amount")
    assert probe.run("add", 5, False) == 5
    for text in ("if amount > LIMIT:", "self.total += amount", "return self.total"):
        assert probe.hit(text)
    for text in ('self._fail("too much")', "self.total += 70", "raise why", "self.total = 1"):
        assert not probe.hit(text)
    first = LINE["self.total += ("]
    assert not probe.file.lines[first]
    assert probe.file.last[first] == first + 2
    assert set(probe.file.lines) <= {
        number
        for number, text in enumerate(SOURCE.splitlines(), 1)
        if text.startswith("    ") and "event" not in text
    }


def test_branches__each_outcome():
    probe = Probe()
    probe.run("add", 5, False)
    assert probe.seen("if amount > LIMIT:", "if") == [{False}]
    assert probe.seen("elif amount == 7:", "if") == [{False}]
    assert probe.seen("if twice and amount != 0:", "if") == [{False}]
    assert probe.seen("if twice and amount != 0:", "and") == [{False}]
    ternary = "self.log_of[msg.sender] = 9 if amount == 3 else 5"
    assert probe.seen(ternary, "ternary") == [{False}]
    probe.run("add", 3, True)
    assert probe.seen(ternary, "ternary") == [{False, True}]
    assert probe.seen("if twice and amount != 0:", "if") == [{False, True}]
    assert probe.seen("if twice and amount != 0:", "and") == [{False, True}]
    probe.run("add", 7, True)
    assert probe.seen("elif amount == 7:", "if") == [{False, True}]
    assert probe.seen("if amount > LIMIT:", "if") == [{False}]


def test_branches__or_stops_at_the_first_that_holds():
    probe = Probe()
    text = "assert a or b or c"
    assert probe.view("either", True, False, False)
    assert probe.seen(text, "or") == [{True}, set()]
    probe.view("either", False, True, False)
    assert probe.seen(text, "or") == [{True, False}, {True}]
    assert probe.seen(text, "assert") == [{True}]
    with pytest.raises(Reverted) as caught:
        probe.view("either", False, False, False)
    assert (caught.value.reason, caught.value.data) == ("", b"")
    assert probe.seen(text, "or") == [{True, False}, {True, False}]
    assert probe.seen(text, "assert") == [{True, False}]


def test_branches__loops():
    probe = Probe()
    text = "for i: uint256 in range(n, bound=10):"
    assert probe.view("count", 0) == 0
    assert probe.seen(text, "loop") == [{False}]
    assert probe.seen(text, "loop again") == [set()]
    assert probe.view("count", 9) == 6
    assert probe.seen(text, "loop") == [{False, True}]
    assert probe.seen(text, "loop again") == [{True}]
    assert probe.hit("break")
    assert probe.view("count", 2) == 1
    assert probe.seen(text, "loop again") == [{True, False}]


def test_revert__keeps_what_led_to_it_and_gives_the_plain_reason():
    probe = Probe()
    with pytest.raises(Reverted) as caught:
        probe.run("add", 101, False)
    assert caught.value.reason == "too much"
    assert len(caught.value.data) == 100
    assert probe.hit('self._fail("too much")')
    assert probe.hit("raise why")
    assert probe.seen("if amount > LIMIT:", "if") == [{True}]
    assert not probe.hit("return self.total")


def test_revert__text_of_an_error_that_the_evm_raised():
    probe = Probe()
    plain = EvmHost()
    address = plain.deploy_raw(
        probe.plain.abi, probe.plain.bytecode, [100], sender=plain.account("owner")
    )
    for function, args, number in (("add", (101, True), 2), ("either", (False,) * 3, 3)):
        codec = interface_of(probe.plain.abi).function(function, number)
        texts = []
        for host, target in ((plain, address), (probe.host, probe.address)):
            with pytest.raises(RuntimeError) as caught:
                host._evm.message_call(probe.sender, target, codec.encode(args))
            texts.append(str(caught.value))
        assert texts[0] != texts[1]
        probe.host.new_bits()
        for news in (True, False):
            found = probe.host.plain_error(texts[1])
            assert found.partition("output")[2] == texts[0].partition("output")[2]
            assert bool(probe.host.new_bits()) is news


def test_revert__of_a_constructor():
    probe = Probe()
    assert probe.seen('assert limit != 0, "no limit"', "assert") == [{True}]
    with pytest.raises(Reverted, match="no limit"):
        Probe(coverage=probe.host.coverage, limit=0)
    assert probe.seen('assert limit != 0, "no limit"', "assert") == [{True, False}]


def test_new_bits__only_once_and_not_lost_by_a_restore():
    probe = Probe()
    probe.host.new_bits()
    start = probe.host.snapshot()
    probe.run("add", 5, False)
    probe.host.restore(start)
    fresh = probe.host.new_bits()
    assert fresh
    assert {name for name, _ in fresh} == {"Probe"}
    assert probe.host.storage(probe.address, FLAG_SLOT) == 0
    probe.run("add", 5, False)
    assert probe.host.new_bits() == set()
    probe.run("add", 7, False)
    assert probe.host.new_bits()


def test_skip__what_is_known_costs_nothing_and_the_rest_is_news():
    first = Probe()
    first.run("add", 5, False)
    first.host.new_bits()
    known = set(first.host.coverage.hits[first.build.key])
    again = Probe(skip=True, coverage=first.host.coverage)
    code = again.build.creation(known)
    assert len(code) == len(again.build.artifact.bytecode)
    assert again.run("add", 5, False) == 5
    for number in known:
        assert again.host.storage(again.address, FIRST_SLOT + number) == 0
    assert again.host.new_bits() == set()
    again.run("add", 7, False)
    fresh = again.host.new_bits()
    assert fresh
    assert not {number for _, number in fresh} & known


def test_sites__are_where_they_say():
    build = instrument("LendingVault")
    assert len(build.artifact.deployed) <= len(build.artifact.bytecode)
    for number in build.numbers:
        offset = build.sites[number - 1].offset
        code = build.artifact.bytecode[offset : offset + SITE_BYTES]
        assert code[3:6] == bytes([0x61]) + number.to_bytes(2, "big")
        assert code[-2:] == bytes([0x56, 0x5B])


# ---------------------------------------------------------------- beside the plain build


def storage(host):
    """Every word that is not zero, by address; without the bits."""
    return {
        address: {slot: word for slot, word in words.items() if word != 0}
        for address, words in host.stored().items()
    }


def attempt(call, market):
    try:
        receipt = call(market)
    except Reverted as refused:
        return ("refused", refused.reason, refused.data)
    if not hasattr(receipt, "logs"):
        return receipt
    return receipt.value, [(log.address, log.name, log.args) for log in receipt.logs]


def draw_call(rng):
    """One call, as a function of a market."""
    name = rng.choice(["WETH", "WBTC", "USDC", "DAI"])
    debt = rng.choice(["USDC", "DAI", "WETH"])
    whole = rng.choice([0, 1, 3, 250, 10_000])
    number = rng.randrange(2)
    kind = rng.randrange(12)

    def call(market):
        account = market.account(number)
        engine, asset, owed = market.engine, market.assets[name], market.assets[debt]
        if kind <= 1:
            return market.deposit(name, whole, account)
        if kind <= 3:
            return market.borrow(debt, whole, account)
        if kind == 4:
            market.give(debt, market.borrower, owed.units(whole))
            return engine.repay(account, owed, owed.units(whole), sender=market.borrower)
        if kind == 5:
            return engine.withdraw_collateral(
                account, asset, asset.units(whole), market.borrower, sender=market.borrower
            )
        if kind == 6:
            return market.liquidate(debt, name, account=account)
        if kind == 7:
            dollars = max(1, ASSETS[name]["dollars"] * rng_price // 100)
            return market.price(name, dollars)
        if kind == 8:
            return owed.vault.deposit(owed.units(whole), market.owner, sender=market.owner)
        if kind == 9:
            return market.host.advance(3_600)
        if kind == 10:
            return market.lens.account(account)
        return market.poke(name)

    rng_price = rng.choice([40, 80, 100, 130])
    return call


def test_behaviour__is_that_of_the_plain_build():
    rng = random.Random(7)
    hosts = [EvmHost(), CoverageHost()]
    assert type(hosts[0]) is EvmHost
    markets = [Market(host, ASSETS, ("USDC", "DAI", "WETH"), 10**7, 100) for host in hosts]
    kinds = set()
    for number in range(400):
        call = draw_call(rng)
        plain, other = (attempt(call, market) for market in markets)
        assert plain == other, number
        kinds.add(plain[:2] if plain and plain[0] == "refused" else "succeeded")
    assert len(kinds) > 6, kinds
    plain, other = map(storage, hosts)
    assert plain.keys() == other.keys()
    for address, words in plain.items():
        assert other[address] == words, address
    assert sum(len(words) for words in plain.values()) > 150
    assert len(hosts[1].new_bits()) > 1_000


def test_mocks__stay_bound_by_a_static_call():
    host = CoverageHost()
    owner = host.account("owner")
    reader = artifacts.compile_source(READER, "WriterReader")
    writer = artifacts.compile_source(WRITER, "WriterStandIn")
    read = host.deploy_raw(reader.abi, reader.bytecode, [], sender=owner)
    # the second is foreign code: a static call to it is one
    target = EvmHost.deploy_raw(host, writer.abi, writer.bytecode, [], sender=owner)
    assert len(EvmHost.code(host, read)) >= BIG > len(host.code(target))
    assert host.code(read) == reader.deployed
    with pytest.raises(Reverted):
        host.transact(read, reader.abi, "read", [target], sender=owner)
    assert host.storage(target, 0) == 0
    host.transact(target, writer.abi, "value", [], sender=owner)
    assert host.storage(target, 0) == 1


READER = """# pragma version 0.4.3
interface Writer:
    def value() -> uint256: view

@external
def read(target: address) -> uint256:
    return staticcall Writer(target).value()
"""
WRITER = """# pragma version 0.4.3
stored: uint256

@external
def value() -> uint256:
    self.stored = 1
    return 1
"""


# ---------------------------------------------------------------- files and reports


def test_coverage__merges_and_keeps(tmp_path):
    one, two = Coverage(), Coverage()
    build = instrument("Timelock")
    one.of(build).update({1, 5})
    two.add({("Timelock", 5), ("Timelock", 300)})
    assert one.merge(two) == 1
    path = tmp_path / "a" / "one.json"
    one.save(path)
    assert Coverage.load(path).hits == {build.key: {1, 5, 300}}
    more = Coverage()
    more.of(build).add(7)
    more.add_to(path)
    assert Coverage.load(path).hits == {build.key: {1, 5, 7, 300}}
    newer = Coverage()
    newer.names["f" * 64] = "Timelock"
    newer.hits["f" * 64] = {2}
    newer.add_to(path)
    assert Coverage.load(path).hits == {"f" * 64: {2}}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "\0", '{"format":1,"builds":{"x":1}}', '{"format":2,"builds":{}}',
        '{"format":2,"builds":{"x":1},"checksum":"' + coverage_host._checksum({"x": 1}) + '"}',
    ],
)  # fmt: skip
def test_coverage__refuses_other_files(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"x\.json"):
        Coverage.load(path)
    result = CliRunner().invoke(main, ["coverage", str(path)])
    assert result.exit_code == 2
    assert "x.json" in result.output


def seen(*numbers: int) -> Coverage:
    found = Coverage()
    found.of(instrument("Timelock")).update(numbers)
    return found


def test_coverage__no_part_of_a_file_passes_for_the_whole(tmp_path):
    path = tmp_path / "x.json"
    seen(1, 5, 300).save(path)
    whole = path.read_text()
    for end in range(len(whole) - 1):
        path.write_text(whole[:end])
        with pytest.raises(NotCoverage, match=r"x\.json"):
            Coverage.load(path)
    digits = f"{1 << 300 | 1 << 5 | 1 << 1:x}"
    assert digits in whole
    path.write_text(whole.replace(digits, digits[:-1]))
    with pytest.raises(NotCoverage, match="checksum"):
        Coverage.load(path)


def test_add_to__keeps_what_is_no_coverage(tmp_path, capsys):
    path = tmp_path / "x.json"
    for number, text in enumerate(("a shopping list", '{"format": 2, "bui'), 1):
        path.write_text(text)
        seen(number).add_to(path)
        assert Coverage.load(path).hits == seen(number).hits
        aside = tmp_path / f"x.json.not-coverage-{number}"
        assert aside.read_text() == text
        assert f"it is kept as {aside.name}" in capsys.readouterr().err


def test_command__leaves_out_what_is_no_coverage(tmp_path, monkeypatch, capsys):
    folder = tmp_path / ".build" / "coverage"
    good = seen(1)
    good.save(folder / "good.json")
    (folder / "cut.json").write_text("{")
    monkeypatch.setattr(artifacts, "ROOT", tmp_path)
    assert command._load(()).hits == good.hits
    assert re.search(r"left out: .*cut\.json: not a coverage file", capsys.readouterr().err)
    with pytest.raises(NotCoverage, match=r"cut\.json"):
        command._load((str(folder / "cut.json"),))


def test_save_process__says_that_it_could_not(monkeypatch, capsys):
    monkeypatch.setenv("BREAKWATER_COVERAGE", "/dev/null/all.json")
    monkeypatch.setattr(coverage_host, "_process", seen(1))
    coverage_host.save_process()
    assert "could not be added to /dev/null/all.json" in capsys.readouterr().err


def test_environment__makes_every_host_keep_what_it_ran(tmp_path, monkeypatch):
    path = tmp_path / "all.json"
    monkeypatch.setenv("BREAKWATER_COVERAGE", str(path))
    monkeypatch.setattr(coverage_host, "_process", None)
    host = EvmHost()
    assert isinstance(host, CoverageHost)
    host.deploy("Timelock", 1, [host.account("a")], [], host.account("a"), sender=host.account("a"))
    del host
    coverage_host.save_process()
    assert list(Coverage.load(path).names.values()) == ["Timelock"]
    coverage_host.atexit.unregister(coverage_host.save_process)


def test_report__table_json_and_pages(tmp_path):
    host = CoverageHost()
    Market(host, ASSETS, ("USDC",), 10**6, 100)
    host.new_bits()
    host.coverage.save(tmp_path / "c.json")
    report = measure(host.coverage)
    assert [file.source for file in report.files if "mocks" in file.source] == []
    assert all(file.source.startswith("contracts/") for file in report.files)
    by_source = {file.source: file for file in report.files}
    engine = by_source["contracts/CreditEngine.vy"]
    assert 0 < engine.line_counts[0] < engine.line_counts[1]
    assert 0 < report.branches[0] < report.branches[1]
    assert sum(file.line_counts[1] for file in report.files) == report.lines[1]

    result = CliRunner().invoke(main, ["coverage", "--json", str(tmp_path / "c.json")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["lines"] == list(report.lines)
    result = CliRunner().invoke(main, ["coverage", str(tmp_path / "c.json")])
    assert "CreditEngine.vy" in result.output

    index = write_html(report, tmp_path / "pages")
    page = index.read_text()
    assert "CreditEngine.vy.html" in page
    engine_page = (index.parent / "CreditEngine.vy.html").read_text()
    assert engine_page.count('class="miss"') >= len(engine.missing)
    shown = ranges(engine.missing, sorted(engine.lines))
    missed = engine_page.split('">Missed: ')[1].split("</p>")[0]
    assert re.sub("<[^>]*>", "", missed) == shown
    assert "-" in shown
    assert "src=" not in page + engine_page
    assert "http" not in re.sub(r"<code>.*?</code>", "", engine_page)
    assert "{{" not in page


def test_report__warns_of_what_ran_of_older_sources(tmp_path, monkeypatch):
    build = instrument("Timelock")
    # as it would be if the source had changed while it ran
    files = dict.fromkeys(build.files, "0" * 64)
    old = SimpleNamespace(key="e" * 64, files=files, sites=build.sites)
    monkeypatch.setattr(report_module, "find", lambda key, root: old if key == old.key else None)
    ran, gone = Coverage(), Coverage()
    ran.names[old.key], ran.hits[old.key] = "Timelock", set(build.numbers)
    report = measure(ran)
    assert report.lines[0] == 0
    assert report.changed == ["contracts/Timelock.vy"]
    ran.save(tmp_path / "c.json")
    for options in ([], ["--json"]):
        result = CliRunner().invoke(main, ["coverage", *options, str(tmp_path / "c.json")])
        assert "warning: changed since what is shown ran: contracts/Timelock.vy" in result.output
    # what ran of the present source counts, whatever else was saved
    ran.merge(seen(*build.numbers))
    assert measure(ran).changed == []
    gone.names["f" * 64], gone.hits["f" * 64] = "Lens", {1}
    gone.save(tmp_path / "c.json")
    result = CliRunner().invoke(main, ["coverage", str(tmp_path / "c.json")])
    assert "warning: changed since what is shown ran: Lens" in result.output


def test_cli__unknown_option():
    result = CliRunner().invoke(main, ["coverage", "--nonsense"])
    assert result.exit_code == 2
    assert "--nonsense" in result.output


def test_ranges__span_what_is_no_statement():
    assert ranges([2, 5, 9, 30], [1, 2, 5, 9, 12, 30]) == "2-9, 30"
    assert ranges([], [1]) == ""


def test_notes__say_what_is_missing():
    file = File("x", lines={3: True, 9: False})
    file.branches = {
        Place(3, 4, "if"): {True: False, False: True},
        Place(3, 7, "and"): {True: True, False: False},
        Place(9, 4, "assert"): {True: False, False: False},
    }
    file.statement = {place: place.line for place in file.branches}
    assert file.notes() == {3: ["if never true", "and (column 8) never false"]}


def word(*numbers):
    return b"".join(number.to_bytes(2, "big") for number in numbers).rjust(32, b"\0")


@pytest.mark.parametrize(
    ("history", "found"),
    [
        (word(), []),
        (word(3, 1, 9), [3, 1, 9]),
        (word(3, 10), []),  # no such site
        (word(3, 0, 1), []),
        (b"\xc0\xbe" * 16, []),
    ],
)
def test_history__of_what_other_code_wrote_is_dropped(history, found):
    assert coverage_host._history(bytes(32) + history, 9) == found
