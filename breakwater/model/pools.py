"""Models of the pool mocks, and of the mock that deploys feeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from breakwater.abi import created
from breakwater.host import interface_of
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, Word, view
from breakwater.model.tokens import text_words


class UniswapPoolMock(Contract):
    """A Uniswap v3 pool whose `observe` answers any words that it is told."""

    NAME = "UniswapPoolMock"
    LOCKS = False

    def __init__(
        self, chain: Chain, address: str, token0: str, token1: str, cardinality: int
    ) -> None:
        super().__init__(chain, address)
        self.tokens, self.cardinality = (token0, token1), cardinality

    def set_answer(self, sender: str, answer: bytes) -> None:
        """Any whole words; none: it does not reach back so far."""
        if len(answer) > 512:
            raise Refused()
        self.put(answer, "answer")

    def set_burning(self, sender: str, burning: bool) -> None:
        """Whether `observe` burns all its gas."""
        self.put(burning, "burning")

    @view
    def token0(self, sender: str) -> str:
        """One of the two."""
        return self.tokens[0]

    @view
    def token1(self, sender: str) -> str:
        """The other."""
        return self.tokens[1]

    @view
    def burning(self, sender: str) -> bool:
        """Whether it burns gas."""
        return bool(self.get("burning"))

    @view
    def slot0(self, sender: str) -> tuple[int, int, int, int, int, int, bool]:
        """Of these the number of observations is asked."""
        return 2**96, 0, 0, self.cardinality, self.cardinality, 0, True

    @view
    def observe(self, sender: str, ago: Sequence[int]) -> tuple[int, ...]:
        """The words."""
        answer: bytes = self.get("answer", default=b"")
        if not answer or self.get("burning"):
            raise Refused()
        return tuple(
            int.from_bytes(answer[i : i + 32], "big") for i in range(0, len(answer) - 31, 32)
        )

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """The answer is a length and words."""
        if name == "answer":
            yield from text_words(name, self.get(name))
        elif name == "burning":
            yield Word(name, keys, int(self.get(name)))
        else:
            yield from super().words(name, keys)


class CurvePoolMock(Contract):
    """What every kind of Curve pool tells of its prices, as it is set. Locked, it reverts."""

    NAME = "CurvePoolMock"
    LOCKS = False

    def __init__(
        self, chain: Chain, address: str, coins: Sequence[str], rates: Sequence[int], price: int
    ) -> None:
        super().__init__(chain, address)
        self.listed, self.rates = tuple(coins), tuple(rates)
        self.set_prices(ZERO_ADDRESS, price, price)
        self.set_times(ZERO_ADDRESS, 866, 601)

    def set_prices(self, sender: str, average: int, last: int, index: int = 0) -> None:
        """Of a coin beside coin 0."""
        self.put((average, last), "prices", index)

    def set_times(self, sender: str, ma_exp_time: int, ma_time: int) -> None:
        """To 1/e, and to a half."""
        self.put((ma_exp_time, ma_time), "times")

    def set_locked(self, sender: str, locked: bool) -> None:
        """Whether it is in the middle of a call."""
        self.put(locked, "locked")

    @view
    def coins(self, sender: str, index: int) -> str:
        """Zero: none."""
        return self.listed[index] if index < len(self.listed) else ZERO_ADDRESS

    @view
    def stored_rates(self, sender: str) -> tuple[int, ...]:
        """What each coin is scaled by."""
        return self.rates

    @view
    def price_oracle(self, sender: str, index: int = 0) -> int:
        """The average."""
        if self.get("locked"):
            raise Refused()
        return int(self.get("prices", index, default=(0, 0))[0])

    @view
    def last_price(self, sender: str, index: int = 0) -> int:
        """Of the last trade."""
        return int(self.get("prices", index, default=(0, 0))[1])

    @view
    def last_prices(self, sender: str, index: int = 0) -> int:
        """The same, of a cryptoswap pool."""
        return self.last_price(sender, index)

    @view
    def ma_exp_time(self, sender: str) -> int:
        """To 1/e [seconds]."""
        return int(self.get("times")[0])

    @view
    def ma_time(self, sender: str) -> int:
        """To a half [seconds]."""
        return int(self.get("times")[1])

    @view
    def locked(self, sender: str) -> bool:
        """Whether it reverts."""
        return bool(self.get("locked"))

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """Average and last price in a mapping each, the times a word each."""
        value = self.get(name, *keys)
        if name == "prices":
            yield Word("averages", keys, value[0])
            yield Word("lasts", keys, value[1])
        elif name == "times":
            yield Word("ma_exp_time", (), value[0])
            yield Word("ma_time", (), value[1])
        elif name == "locked":
            yield Word(name, keys, int(value))
        else:
            yield from super().words(name, keys)


class Blueprint(Contract):
    """Creation code that lies on chain and is never run: of which deployable."""

    LOCKS = False

    def __init__(self, chain: Chain, address: str, of: str) -> None:
        super().__init__(chain, address)
        self.of = of


class FactoryMock(Contract):
    """Deploys feeds from a blueprint, a few, and asks the last one for its quote."""

    NAME = "FactoryMock"
    LOCKS = False

    def __init__(self, chain: Chain, address: str, blueprint: str) -> None:
        super().__init__(chain, address)
        self.blueprint = blueprint

    def make(self, sender: str, args: bytes) -> str:
        """A new contract, at the address that follows from how many there are."""
        from breakwater.model.protocol import deploy

        if len(args) > 1_024:
            raise Refused()
        count = self.get("made")
        if count == 8:
            raise Refused("no more of them")
        blueprint = self.chain.contracts[self.blueprint]
        assert isinstance(blueprint, Blueprint)
        try:
            values = interface_of(blueprint.of).constructor.decode(args)
        except Exception:  # whatever the codec says of bad data, the contract says nothing
            raise Refused() from None
        self.put(count + 1, "made")
        made = created(self.address, count + 1)
        deploy(self.chain, blueprint.of, made, values)
        self.put(made, "last")
        return made

    def quote(self, sender: str) -> Any:
        """What the last one quotes."""
        last = self.get("last", default=ZERO_ADDRESS)
        if last == ZERO_ADDRESS:
            raise Refused("none was made")
        return self.chain.call(self.address, last, "quote", ())

    @view
    def made(self, sender: str) -> int:
        """How many there are."""
        return int(self.get("made"))

    @view
    def last(self, sender: str) -> str:
        """The last one; zero: none."""
        return str(self.get("last", default=ZERO_ADDRESS))

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """How many, and the last one."""
        value = self.get(name)
        yield Word(name, keys, int(value, 16) if isinstance(value, str) else value)
