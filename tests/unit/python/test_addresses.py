"""The address book: what it keeps, and what it refuses."""

import json
from pathlib import Path

import pytest

from breakwater import addresses
from breakwater.addresses import AddressBook, AddressBookError
from breakwater.evm import EvmHost


@pytest.fixture
def host() -> EvmHost:
    return EvmHost()


@pytest.fixture
def path(tmp_path: Path, host: EvmHost) -> Path:
    """A book with one token in it."""
    path = tmp_path / "folder" / "book.json"
    book = AddressBook.open(path, host, "test")
    token = host.deploy("TokenMock", "Token", "TKN", 18, sender=host.account("deployer"))
    book.add("tokens.TKN", "TokenMock", token, host)
    book.mark("fund lender")
    return path


def change(path: Path, *keys: str, value: object) -> None:
    tree = json.loads(path.read_text())
    inner = tree
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(tree))


def refused(path: Path, host: EvmHost, market: str = "test") -> str:
    with pytest.raises(AddressBookError) as caught:
        AddressBook.open(path, host, market)
    return str(caught.value)


def test_open__reads_what_was_written(path: Path, host: EvmHost) -> None:
    book = AddressBook.open(path, host, "test")
    assert list(book) == ["tokens.TKN"]
    assert book.steps == ["fund lender"]
    assert host.code(book.address("tokens.TKN"))
    assert [one.name for one in path.parent.iterdir()] == ["book.json"]


def test_open__other_chain_id(path: Path) -> None:
    said = refused(path, EvmHost(chain_id=5))
    assert "is of chain 31337, and this is chain 5" in said


def test_open__other_first_block(path: Path, host: EvmHost) -> None:
    change(path, "chain", "genesis", value="0x" + 64 * "1")
    said = refused(path, host)
    assert "another chain with the id 31337" in said
    assert "breakwater devnet --fresh" in said


def test_open__no_code(path: Path) -> None:
    assert "has no code" in refused(path, EvmHost())


def test_open__other_code(path: Path, host: EvmHost) -> None:
    deployer = host.account("deployer")
    other = host.deploy("AggregatorMock", 8, 1, sender=deployer)
    change(path, "contracts", "tokens.TKN", "address", value=other)
    assert "has other code than was deployed" in refused(path, host)


def test_open__code_of_older_sources(path: Path, host: EvmHost) -> None:
    change(path, "contracts", "tokens.TKN", "contract", value="AggregatorMock")
    assert "deployed from an older" in refused(path, host)


def test_open__other_market(path: Path, host: EvmHost) -> None:
    assert "is of the market test, not other" in refused(path, host, "other")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "not json"])
def test_open__no_book(path: Path, host: EvmHost, text: str) -> None:
    path.write_text(text)
    assert "is no address book" in refused(path, host)


def test_open__other_format(path: Path, host: EvmHost) -> None:
    change(path, "format", value=99)
    assert "is of format 99" in refused(path, host)


def test_address__not_deployed(path: Path, host: EvmHost) -> None:
    book = AddressBook.open(path, host, "test")
    with pytest.raises(AddressBookError, match="lens is not deployed yet"):
        book.address("lens")


def test_add__no_code(host: EvmHost) -> None:
    book = AddressBook.open(None, host, "test")
    with pytest.raises(AddressBookError, match="no code"):
        book.add("lens", "Lens", host.account("lender"), host)


def test_path_for__development_chains_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BREAKWATER_DEVNET", raising=False)
    local = addresses.path_for("devnet", addresses.Chain(31_337, "0x"))
    public = addresses.path_for("devnet", addresses.Chain(1, "0x"))
    assert local.name == "devnet.local.json"
    assert public.name == "devnet-1.json"
    monkeypatch.setenv("BREAKWATER_DEVNET", "/elsewhere")
    assert addresses.path_for("devnet", addresses.Chain(31_337, "0x")).parent == Path("/elsewhere")
