"""Shares of an empty vault: Hundred Finance, April 2023, 7 million dollars; Sonne, May 2024, 20
million; Onyx, November 2023, 2.1 million; Midas and many others.

In a market without lenders the attacker held two units of shares and sent it a fortune. The rate
was what the market's balance is for a share, so the two shares carried loans on all of it; then he
took the fortune back for one of them, since burning rounded down. Whoever comes second to such a
vault pays too: what he brings is rounded to no share.

Sonne had listed its market in several operations, and anyone could run the one that let it carry
loans before the one that put a seed in.
"""

import pytest

from tests.incidents.ledger import bug, joined, stripped
from tests.market import ZERO, refuses

LENDERS = "contracts/modules/lenders.vy"
GIFT = 10**24

NO_VIRTUAL_SHARES = bug(
    "no_virtual_shares",
    "A vault without virtual shares, opened without a seed.",
    "LendingVault",
    "contracts/modules/ledger.vy",
    (
        "VIRTUAL_SHARES: constant(uint256) = 10**6\nVIRTUAL_ASSETS: constant(uint256) = 1\n",
        "VIRTUAL_SHARES: constant(uint256) = 0\nVIRTUAL_ASSETS: constant(uint256) = 0\n",
    ),
    (
        "        unsafe_add(\n"
        "            unsafe_sub(total, self._fee(total, claims, config)),\n"
        "            unsafe_add(paid >> 128, VIRTUAL_ASSETS),\n"
        "        ),\n"
        "        unsafe_add(claims & M128, unsafe_add(paid & M128, VIRTUAL_SHARES)),\n",
        "        max(unsafe_sub(total, self._fee(total, claims, config)), 1),\n"
        "        max(claims & M128, 1),\n",
    ),
)
NO_SEED = bug(
    "no_seed",
    "Its opening puts nothing in.",
    "LendingVault",
    "contracts/LendingVault.vy",
    ("    lenders._enter(seed, fund, False)\n", ""),
)
BARE = joined("bare_vault", NO_VIRTUAL_SHARES, NO_SEED, "withdrawal_burns_too_little")
BALANCE_COUNTS = bug(
    "balance_counts",
    "What a vault has to give is its balance.",
    "LendingVault",
    LENDERS,
    (
        "    @dev Withdraws `amount` assets, or redeems `amount` shares; "
        "returns the other number.\n"
        '    """\n'
        "    books: uint256 = ledger._books\n",
        "    @dev Withdraws `amount` assets, or redeems `amount` shares; "
        "returns the other number.\n"
        '    """\n'
        "    books: uint256 = ledger._books & ~M112 | staticcall IERC20(vault_level.ASSET)"
        ".balanceOf(self)\n",
    ),
)
HUNDRED = joined("hundred", BARE, "donation_counted", BALANCE_COUNTS)


def give(world, amount):
    world.host.transact(
        world.token, world.token_kind, "transfer", [world.vault, amount], sender=world.borrower
    )


def test_one_share_for_two(new_world):
    """As it was: two shares are posted for all of the gift. It comes back for one of them, and what
    carried loans of half of it is worth one unit.
    """
    with stripped(HUNDRED):
        world = new_world(reserve_factor=0)
    me = world.borrower
    assert world.act("deposit", 2, me, sender=me).value == 2
    give(world, GIFT)
    assert world.read("convertToAssets", 2) == GIFT + 2
    before = world.tokens(me)
    assert world.act("withdraw", GIFT + 1, me, me, sender=me).value == 1
    assert world.tokens(me) - before == GIFT + 1
    assert (world.read("balanceOf", me), world.read("convertToAssets", 1)) == (1, 1)


def test_second_lender_gets_no_share(new_world):
    """As it was, in its oldest form: who comes second brings less than a share costs."""
    with stripped(HUNDRED):
        world = new_world(reserve_factor=0)
    me = world.borrower
    start = world.tokens(me)
    world.act("deposit", 1, me, sender=me)
    give(world, GIFT)
    # 1.99 times the price of a share buys one
    assert world.act("deposit", GIFT * 199 // 100, world.lender).value == 1
    world.act("redeem", 1, me, me, sender=me)
    assert world.tokens(me) - start == pytest.approx(GIFT * 0.495, rel=1e-6)


@pytest.mark.parametrize("seed", [1, 10**18])
def test_gift_is_in_no_book(new_world, seed):
    """The same calls, with the least seed and with a usual one: no rate moves, shares are burnt
    rounded up, and the gift is lost.
    """
    world = new_world(seed=seed)
    me = world.borrower
    start = world.tokens(me)
    held = world.act("deposit", 2, me, sender=me).value
    assert held == 2 * 10**6
    give(world, GIFT)
    assert world.read("convertToAssets", held) == 2
    # both units are worth all the shares, not one share less
    assert world.act("withdraw", 1, me, me, sender=me).value == held // 2
    world.refuses("balance too low", "withdraw", 2, me, me, sender=me)
    assert world.act("deposit", GIFT * 199 // 100, world.lender).value == GIFT * 1_990_000 // 1
    assert world.read("convertToAssets", GIFT * 1_990_000) == GIFT * 199 // 100
    world.act("withdraw", 1, me, me, sender=me)
    assert world.tokens(me) - start == -GIFT


def test_market_without_a_seed(new_world, market):
    """There is no such market: a vault opens with its seed, before that it takes no deposit, and
    what is not open is lent by nobody.
    """
    world = new_world(opened=False)
    world.refuses("vault is not open", "deposit", 1, world.lender)
    words = (0, 0)
    world.refuses("amount is zero", "open", world.fund, 0, *words, sender=world.owner)
    # Sonne's second step by itself: nobody but the owner lists, and a listing is one call
    weth = market.assets["WETH"]
    with refuses("ownable: caller is not the owner"):
        market.configurator.list_asset(
            weth.token, weth.config, 10**30, False, ZERO, 0, sender=market.other
        )
