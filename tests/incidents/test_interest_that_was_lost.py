"""Interest that was lost, or charged six times, by the way time is cut: debts of low decimals that
anyone kept from growing; rates by the block, when blocks came faster.

Interest of a short span was rounded down to nothing and the time was marked as charged: with a
token of two decimals it took one call in two minutes to owe nothing. Rates by the block charge what
the chain's pace makes of them.
"""

import pytest

from breakwater.host import Reverted
from tests.incidents.ledger import bug, joined, stripped

YEAR = 365 * 86_400
LEDGER = "contracts/modules/ledger.vy"

SMALL_INTEREST_LOST = bug(
    "small_interest_lost",
    "Interest below a unit is dropped, and its time with it.",
    "LendingVault",
    LEDGER,
    (
        "    rate: uint256 = word >> 152 & M40\n    debt: uint256 = self._debt(books, index)\n",
        "    rate: uint256 = word >> 152 & M40\n    debt: uint256 = self._debt(books, index)\n"
        "    if debt == self._debt(books, word):\n        index = word & M112\n",
    ),
)
BY_BLOCKS = joined(
    "by_blocks",
    bug(
        "by_blocks_accrued",
        "A second is a twelfth of a block.",
        "LendingVault",
        LEDGER,
        (
            "    elapsed: uint256 = unsafe_sub(block.timestamp, word >> 192) & M32\n"
            "    if elapsed == 0:\n",
            "    elapsed: uint256 = unsafe_sub(block.number * 12, word >> 192) & M32\n"
            "    if elapsed == 0:\n",
        ),
        (
            "    return index | word & RATE_MASK | rate << 152 | (block.timestamp & M32) << 192\n",
            "    word = word & RATE_MASK | rate << 152\n"
            "    return index | word | (block.number * 12 & M32) << 192\n",
        ),
    ),
    bug(
        "by_blocks_opened",
        "",
        "LendingVault",
        "contracts/LendingVault.vy",
        (
            "    ledger._rates = RAY | (block.timestamp & ledger.M32) << 192\n",
            "    ledger._rates = RAY | (block.number * 12 & ledger.M32) << 192\n",
        ),
        (
            "        | (block.timestamp & ledger.M32) << 192\n",
            "        | (block.number * 12 & ledger.M32) << 192\n",
        ),
    ),
)


def a_day_of_blocks(world):
    """Ten whole tokens of six decimals are all lent, at 20 % a year; somebody accrues in each block
    of a day. What is owed then.
    """
    world.lend(11 * world.unit)  # ten, and the seed
    for _ in range(7_200):
        world.host.advance(12)
        world.act("accrue")
    return world.read("debt_assets") - 11 * world.unit


def small(new_world):
    world = new_world(decimals=6, adjustment_speed=0)
    world.act("deposit", 10 * world.unit, world.lender)
    return world


def test_small_interest_is_dropped(new_world):
    """As it was: 0.84 units a block, 0 in a day."""
    with stripped(SMALL_INTEREST_LOST):
        world = small(new_world)
    assert a_day_of_blocks(world) == 0


def test_small_interest_adds_up(new_world):
    """11 million units at 20 % a year are 6,027 in a day, and accruing often loses one at most."""
    world = small(new_world)
    assert 6_027 <= a_day_of_blocks(world) <= 6_030


def test_tokens_of_two_decimals(new_world):
    """Nor is a token lent that has too few of them."""
    for decimals in (0, 2, 5, 25, 27):
        with pytest.raises(Reverted, match="decimals out of range"):
            new_world(decimals=decimals)


def a_year(world, seconds_per_block):
    """Interest of a year on 900 of 1,000, at the target's rate of 4 % [% of the debt]."""
    world.act("deposit", 999 * world.unit, world.lender)
    world.lend(900 * world.unit)
    world.host.advance(YEAR, YEAR // seconds_per_block)
    world.act("accrue")
    return 100 * (world.read("debt_assets") / (900 * world.unit) - 1)


def test_rate_by_the_block(new_world):
    """As it was: 4 % became 27 % on a chain with blocks of two seconds."""
    with stripped(BY_BLOCKS):
        slow, fast = (new_world(adjustment_speed=0) for _ in range(2))
    assert a_year(slow, 12) == pytest.approx(4.08, abs=0.01)
    assert a_year(fast, 2) == pytest.approx(27.1, abs=0.1)


@pytest.mark.parametrize("seconds", [1, 2, 12, 600])
def test_rate_by_the_second(new_world, seconds):
    assert a_year(new_world(adjustment_speed=0), seconds) == pytest.approx(4.08, abs=0.01)
