"""Models of the mocks that prices come from: aggregators, honest, clamped and bad ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from breakwater.abi import checksum
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, Word, view
from breakwater.units import MAX_UINT256, WAD

Answer = tuple[int, ...]
"""The words that came back."""


class AggregatorMock(Contract):
    """An aggregator that anyone may set. Its round: id, answer, updated_at, answered in."""

    NAME = "AggregatorMock"
    LOCKS = False

    def __init__(self, chain: Chain, address: str, decimals: int, answer: int) -> None:
        super().__init__(chain, address)
        self.put(decimals, "decimals")
        self.put((0, 0, 0, 0), "round")
        self.set(ZERO_ADDRESS, answer)

    def set(self, sender: str, answer: int) -> None:
        """A new round, as of now."""
        number = self.get("round")[0] + 1
        if number > MAX_UINT256:
            raise Refused()
        self.put((number, answer, self.chain.now, number), "round")

    def set_round(
        self, sender: str, round_id: int, answer: int, updated_at: int, answered_in_round: int
    ) -> None:
        """Any round."""
        self.put((round_id, answer, updated_at, answered_in_round), "round")

    def set_decimals(self, sender: str, decimals: int) -> None:
        """Who read them before keeps what he read."""
        self.put(decimals, "decimals")

    @view
    def latestRoundData(self, sender: str) -> tuple[int, int, int, int, int]:
        """The words of the round; started_at is updated_at."""
        number, answer, updated_at, answered_in = self.get("round")
        return number, answer, updated_at, updated_at, answered_in

    @view
    def decimals(self, sender: str) -> int:
        """Of the answer."""
        return int(self.get("decimals"))

    @view
    def round_id(self, sender: str) -> int:
        """Of the last round."""
        return int(self.get("round")[0])

    @view
    def answer(self, sender: str) -> int:
        """Of the last round."""
        return int(self.get("round")[1])

    @view
    def updated_at(self, sender: str) -> int:
        """Of the last round."""
        return int(self.get("round")[2])

    @view
    def answered_in_round(self, sender: str) -> int:
        """Of the last round."""
        return int(self.get("round")[3])

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A round is four words."""
        if name == "round":
            names = ("round_id", "answer", "updated_at", "answered_in_round")
            for part, value in zip(names, self.get("round"), strict=True):
                yield Word(part, (), value & MAX_UINT256)
        elif name == "decimals":
            yield Word(name, keys, self.get(name))
        else:
            yield from super().words(name, keys)


class ClampedAggregatorMock(AggregatorMock):
    """An aggregator whose answers are cut off at clamps, or a proxy of one."""

    NAME = "ClampedAggregatorMock"

    def __init__(
        self, chain: Chain, address: str, decimals: int, answer: int, lowest: int, highest: int
    ) -> None:
        super().__init__(chain, address, decimals, answer)
        self.set_clamps(ZERO_ADDRESS, lowest, highest)

    def set(self, sender: str, answer: int) -> None:
        """A new round, as of now; the first one as it is."""
        lowest, highest = self.get("clamps", default=(answer, answer))
        super().set(sender, min(max(answer, lowest), highest))

    def set_clamps(self, sender: str, lowest: int, highest: int) -> None:
        """Other clamps."""
        self.put((lowest, highest), "clamps")

    def set_aggregator(self, sender: str, aggregator: str) -> None:
        """What it is a proxy of; zero: of nothing."""
        self.put(aggregator, "aggregator")

    @view
    def minAnswer(self, sender: str) -> int:
        """The least answer."""
        return int(self.get("clamps")[0])

    @view
    def maxAnswer(self, sender: str) -> int:
        """The highest answer."""
        return int(self.get("clamps")[1])

    @view
    def aggregator(self, sender: str) -> str:
        """What it points to."""
        return str(self.get("aggregator", default=ZERO_ADDRESS))

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """The clamps are two words."""
        if name == "clamps":
            for part, value in zip(("minAnswer", "maxAnswer"), self.get(name), strict=True):
                yield Word(part, (), value & MAX_UINT256)
        elif name == "aggregator":
            yield Word(name, keys, int(self.get(name), 16))
        else:
            yield from super().words(name, keys)


class BadFeedMock(Contract):
    """Answers every call the way it is told to."""

    NAME = "BadFeedMock"
    LOCKS = False

    def __init__(self, chain: Chain, address: str, decimals: int) -> None:
        super().__init__(chain, address)
        self.put(decimals, "decimals")
        self.put((1, WAD, WAD, chain.now, 1), "words")

    def set_mode(self, sender: str, mode: int) -> None:
        """How to answer: 0 good, 1 revert, 2 burn gas, 3 nothing, 4 too short, 5 too long, 6 all
        bits, 7 much too long, 8 one word.
        """
        self.put(mode, "mode")

    def set_words(self, sender: str, words: Sequence[int]) -> None:
        """What a good answer is."""
        self.put(tuple(words), "words")

    def set_asset(self, sender: str, asset: str) -> None:
        """What `asset` tells."""
        self.put(asset, "asset")

    def answer(self) -> Answer | None:
        """What any other call returns."""
        words: Answer = self.get("words")
        return {
            1: None,
            2: None,
            3: (),
            4: words[:4],
            5: (*words, 0),
            6: (MAX_UINT256,) * 5,
            7: (32, 32 * 256, *(0,) * 254),
            8: words[:1],
        }.get(self.get("mode"), words)

    @view
    def gas_limit(self, sender: str) -> int:
        """What a feed of one source asks for."""
        return 50_000

    @view
    def mode(self, sender: str) -> int:
        """How it answers."""
        return int(self.get("mode"))

    @view
    def decimals(self, sender: str) -> int:
        """As it was deployed."""
        return int(self.get("decimals"))

    @view
    def asset(self, sender: str) -> str:
        """As it was set."""
        return str(self.get("asset", default=ZERO_ADDRESS))

    @view
    def debt_of(self, sender: str, asset: str) -> tuple[int, str, int]:
        """As a credit engine."""
        words = self.answer()
        if words is None or len(words) < 3 or words[1] >> 160:
            raise Refused()
        return words[0], checksum(f"0x{words[1]:040x}"), words[2]

    def words(self, name: str, keys: Any) -> Any:
        """Of storage: five words, and the rest. The ABI has a function of this name too: one of
        the words.
        """
        if isinstance(keys, int):
            if keys >= 5:
                raise Refused()
            return self.get("words")[keys]
        return self._stored(name, keys)

    def _stored(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        value = self.get(name)
        if name == "words":
            for i, word in enumerate(value):
                yield Word(name, (i,), word)
        elif name == "asset":
            yield Word(name, keys, int(value, 16))
        elif name in ("mode", "decimals"):
            yield Word(name, keys, value)
        else:
            yield from super().words(name, keys)


class ConstantFeedMock(Contract):
    """An aggregator whose answer is always fresh."""

    NAME = "ConstantFeedMock"
    LOCKS = False

    def __init__(self, chain: Chain, address: str, decimals: int, answer: int) -> None:
        super().__init__(chain, address)
        self.places = decimals
        self.answer = answer

    @view
    def decimals(self, sender: str) -> int:
        """Of the answer."""
        return self.places

    @view
    def latestRoundData(self, sender: str) -> tuple[int, int, int, int, int]:
        """Of this second."""
        return 1, self.answer, self.chain.now, self.chain.now, 1
