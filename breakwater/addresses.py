"""The address book: what was deployed on a chain, checked against that chain whenever it is read.

One JSON file for each chain, under `deployments/`. It names the chain by its id and the hash of its
first block, and each contract by its address and the hash of its code; a book that does not fit the
chain, or contracts compiled since, is refused with what to do about it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.abi import checksum
from breakwater.errors import UserError
from breakwater.host import Host

FOLDER = artifacts.ROOT / "deployments"
"""Where books are kept."""

DEVELOPMENT_CHAINS = (1_337, 31_337)

_FORMAT = 1
_AFRESH = "`breakwater devnet --fresh` deploys everything anew"


class AddressBookError(UserError):
    """A book that does not fit the chain, or cannot be read."""


@dataclass(frozen=True)
class Chain:
    """Which chain it is: two development chains share an id, never a first block."""

    id: int
    genesis: str
    """Hash of block 0, or "in process" for a chain inside this process."""


@dataclass(frozen=True)
class Entry:
    """One deployed contract."""

    contract: str
    """Name of the project's contract, or "" for a foreign one."""
    address: str
    code_hash: str


def identify(host: Host) -> Chain:
    """The chain that a host drives."""
    genesis = getattr(host, "genesis", None)
    if isinstance(genesis, str):
        return Chain(host.chain_id, genesis)
    from breakwater.evm import EvmHost

    if isinstance(host, EvmHost):
        return Chain(host.chain_id, "in process")
    import ape

    block: Any = ape.networks.provider.get_block(0)
    return Chain(host.chain_id, "0x" + bytes(block.hash).hex())


def path_for(market: str, chain: Chain) -> Path:
    """Where the book of a market on a chain is kept; not committed for development chains.

    `BREAKWATER_DEVNET`, a folder, keeps a second devnet apart from the first.
    """
    if chain.id not in DEVELOPMENT_CHAINS:
        return FOLDER / f"{market}-{chain.id}.json"
    folder = os.environ.get("BREAKWATER_DEVNET")
    return (Path(folder) if folder else FOLDER) / f"{market}.local.json"


@dataclass
class AddressBook:
    """Contracts by key ("timelock", "vaults.USDC"), and steps that leave no address."""

    chain: Chain
    market: str
    path: Path | None = None
    """None: kept in memory only."""
    entries: dict[str, Entry] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path | None, host: Host, market: str) -> AddressBook:
        """The book at `path`, checked against the host's chain; an empty one where there is none.

        Raises AddressBookError for a book of another chain or market, for an address without code,
        and for other code than was deployed or is compiled here now.
        """
        chain = identify(host)
        if path is None or not path.exists():
            return cls(chain, market, path)
        book = cls._read(path)
        if book.chain.id != chain.id:
            raise AddressBookError(
                f"{_shown(path)} is of chain {book.chain.id}, and this is chain {chain.id}: choose "
                "the network the book was made on, or move the file away"
            )
        if book.chain.genesis != chain.genesis:
            raise AddressBookError(
                f"{_shown(path)} is of another chain with the id {chain.id} (first block "
                f"{book.chain.genesis[:10]}…, here {chain.genesis[:10]}…): the node was started "
                f"anew without its state. {_AFRESH}; or remove the file"
            )
        if book.market != market:
            raise AddressBookError(
                f"{_shown(path)} is of the market {book.market}, not {market}: use that market's "
                "file, or another folder"
            )
        book.check(host)
        return book

    @classmethod
    def _read(cls, path: Path) -> AddressBook:
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            if tree["format"] != _FORMAT:
                raise AddressBookError(
                    f"{_shown(path)} is of format {tree['format']}, not {_FORMAT}: it was written "
                    f"by another version. {_AFRESH}"
                )
            entries = {
                key: Entry(one["contract"], checksum(one["address"]), one["code_hash"])
                for key, one in tree["contracts"].items()
            }
            chain = Chain(int(tree["chain"]["id"]), str(tree["chain"]["genesis"]))
            return cls(chain, str(tree["market"]), path, entries, list(tree["steps"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AddressBookError(
                f"{_shown(path)} is no address book ({type(error).__name__}: {error}): restore it, "
                f"or remove it. {_AFRESH}"
            ) from None

    def check(self, host: Host) -> None:
        """Compare every entry with the code on chain, and with what is compiled here."""
        where = "the address book" if self.path is None else _shown(self.path)
        for key, entry in self.entries.items():
            code = host.code(entry.address)
            if not code:
                raise AddressBookError(
                    f"{where} has {key} at {entry.address}, where this chain has no code: the "
                    f"chain's state is older than the book. {_AFRESH}; or remove the file"
                )
            if _hash(code) != entry.code_hash:
                raise AddressBookError(
                    f"{where} has {key} at {entry.address}, where this chain has other code than "
                    f"was deployed. {_AFRESH}; or remove the file"
                )
            if entry.contract and not code.startswith(artifacts.load(entry.contract).deployed):
                raise AddressBookError(
                    f"{key} at {entry.address} was deployed from an older "
                    f"contracts/…/{entry.contract}.vy than is compiled here. {_AFRESH}; or go "
                    "back to the sources it was deployed from"
                )

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def address(self, key: str) -> str:
        """Address of a contract. AddressBookError when it was not deployed."""
        try:
            return self.entries[key].address
        except KeyError:
            raise AddressBookError(
                f"{key} is not deployed yet: wait until a devnet that starts says that it listens; "
                "elsewhere `ape run deploy` continues what was begun"
            ) from None

    def add(self, key: str, contract: str, address: str, host: Host) -> None:
        """Write down a contract that was just deployed."""
        code = host.code(address)
        if not code:
            raise AddressBookError(f"{key}: there is no code at {address} on this chain")
        self.entries[key] = Entry(contract, checksum(address), _hash(code))
        self.save()

    def mark(self, step: str) -> None:
        """Write down that a step was done that the chain does not tell."""
        if step not in self.steps:
            self.steps.append(step)
            self.save()

    def save(self) -> None:
        """Replace the file whole, so that a reader never sees half of it."""
        if self.path is None:
            return
        tree = {
            "format": _FORMAT,
            "market": self.market,
            "chain": asdict(self.chain),
            "contracts": {key: asdict(entry) for key, entry in self.entries.items()},
            "steps": self.steps,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(json.dumps(tree, indent=2) + "\n")
            os.replace(name, self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _hash(code: bytes) -> str:
    return "0x" + bytes(keccak(code)).hex()


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
