"""The reference's pages have all that the contracts have."""

import re
from pathlib import Path

import click
import pytest

from breakwater import artifacts, reference
from breakwater.abi import type_string
from breakwater.codegen import Sources

SHOWN = [name for name in artifacts.names() if not name.endswith("Mock")]
REASON = re.compile(r'(?:assert .*, |raise |_fail\()"([^"]+)"')


@pytest.fixture(scope="session")
def sources():
    return Sources(artifacts.ROOT)


@pytest.fixture(params=SHOWN)
def contract(request, sources):
    artifact = artifacts.load(request.param)
    return artifact, reference.contract_page(artifact, sources, artifacts.ROOT)


def section(page: str, title: str) -> str:
    """What stands below a heading, up to the next of the same rank or a higher one."""
    rank = len(title) - len(title.lstrip("#"))
    match = re.search(rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{rank}}} |\Z)", page, re.S | re.M)
    assert match is not None, f"{title} is missing"
    return match[1]


def test_page__has_every_function_event_and_reason(contract):
    artifact, page = contract
    assert page.startswith(f"# {artifact.name}\n")
    for entry in artifact.abi:
        if entry["type"] == "function":
            reads = entry["stateMutability"] in ("view", "pure")
            listed = section(page, "## Views" if reads else "## Calls")
            signature = section(listed, f"### {entry['name']}").split("```")[1]
            assert f"def {entry['name']}(" in signature
            for argument in entry["inputs"]:
                kind = type_string(argument)
                exact = not kind.endswith(("]", ")", "bytes", "string", "uint256"))
                name = argument["name"] or "arg0"
                assert f"{name}: {kind if exact else ''}" in signature
        elif entry["type"] == "event":
            head = f"### {entry['name']}\n\n```vyper\n"
            assert head in page
            declared = page.split(head)[1].split("```")[0]
            assert f"event {entry['name']}:" in declared
            assert all(f"{argument['name']}: " in declared for argument in entry["inputs"])
    source = (artifacts.ROOT / artifact.source_id).read_text(encoding="utf-8")
    errors = set(re.findall(r"^\| `([^`]+)` \|", page, re.M))
    assert set(REASON.findall(source)) <= errors


def test_page__tells_units_returns_and_reasons_of_a_function(sources):
    artifact = artifacts.load("CreditEngine")
    page = reference.contract_page(artifact, sources, artifacts.ROOT)
    text = section(page, "### repay")
    assert "def repay(account: bytes32, asset: address, amount: uint256)" in text
    assert "- `amount`: max\\_value(uint256): the whole debt." in text
    assert "- returns: Assets paid, debt shares cancelled." in text
    assert "`debt is below the minimum`" in text
    assert "`asset is no debt asset`" in text
    assert "`asset is no collateral`" not in text
    assert "steps: DynArray[Leg, 16]" in section(page, "### batch")
    assert "\n\n## Types\n" in page
    assert "struct Leg:\n" in page
    assert "flag Action:\n" in page


def test_page__of_a_function_without_natspec_names_the_standard(sources):
    artifact = artifacts.load("LendingVault")
    page = reference.contract_page(artifact, sources, artifacts.ROOT)
    assert "As ERC-4626 says." in section(page, "### redeem")
    assert "See `" not in page


def test_natspec__by_tags():
    text = (
        "\n    @notice Takes\n        it.\n    @dev Why.\n    @param amount [assets] how\n"
        "           much.\n    @return Shares.\n    @return Rest.\n    "
    )
    params = {"amount": "[assets] how much."}
    expected = reference.Natspec("Takes\nit.", "Why.", params, ["Shares.", "Rest."])
    assert reference.natspec(text) == expected


def test_commands__with_those_below_a_group():
    @click.group()
    def outer() -> None:
        """All."""

    @outer.command()
    @click.option("--much", help="How much.")
    def inner(much: str) -> None:
        """One."""

    found = dict(reference.commands_of(outer, "run"))
    assert list(found) == ["run", "run inner"]
    assert "How much." in found["run inner"]


def test_scripts__are_all_commands():
    found = reference.scripts()
    stems = {path.stem for path in (artifacts.ROOT / "scripts").glob("*.py")}
    assert set(found) == {stem for stem in stems if not stem.startswith("_")}


def test_write__takes_away_what_is_no_more(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(reference, "pages", lambda root: {"A.md": "a\n", "B.md": "b\n"})
    assert reference.write(tmp_path) == ["A.md", "B.md"]
    monkeypatch.setattr(reference, "pages", lambda root: {"A.md": "a\n"})
    before = (tmp_path / "A.md").stat().st_mtime_ns
    assert reference.write(tmp_path) == ["A.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A.md"]
    assert (tmp_path / "A.md").stat().st_mtime_ns == before
