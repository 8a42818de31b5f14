"""ERC-4626 as properties over random states: rounding, round trips, limits, previews.

The expected share price is computed from raw numbers (cash, debt shares, index, supply), with no
reserve factor, so that nothing is owed to the fund beside it.
"""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakwater.host import Reverted
from breakwater.units import RAY

YEAR = 365 * 86_400
PROPERTY = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
AMOUNTS = st.one_of(
    st.sampled_from([1, 2, 3, 7, 999]), st.integers(1, 10**6), st.integers(1, 10**14)
)
STATES = st.tuples(
    AMOUNTS,
    st.fractions(min_value=0, max_value=1),
    st.sampled_from([0, 1, 12, 86_400, YEAR, 5 * YEAR]),
    st.fractions(min_value=0, max_value=1),
    st.sampled_from([0, 0, Fraction(1, 1000), Fraction(1, 3)]),
    st.sampled_from([0, 0, 1, 10**12]),
)


@pytest.fixture(params=[6, 8, 18])
def vault(request, new_world):
    world = new_world(decimals=request.param, reserve_factor=0, initial_rate=2_000)
    world.start = world.host.snapshot()
    return world


def shape(world, state):
    """Deposits, lends a part, lets time pass, collects a part, loses a part, takes a donation."""
    deposited, lent, seconds, repaid, lost, donated = state
    world.host.restore(world.start)
    world.act("deposit", 10**6 + deposited, world.lender)
    amount = int(world.read("cash") * lent)
    if amount:
        shares = world.lend(amount)
        world.host.advance(seconds)
        if back := int(shares * repaid):
            world.collect(2**100, back)
        if gone := int(world.read("debt_shares") * lost):
            world.act("write_off", gone, sender=world.engine)
    if donated:
        world.host.transact(
            world.token, world.token_kind, "transfer", [world.vault, donated], sender=world.other
        )


def price(world):
    """Assets for one share, exactly, virtual ones included."""
    debt = world.read("debt_shares") * world.read("debt_index") // RAY
    return Fraction(world.read("cash") + debt + 1, world.read("totalSupply") + 10**6)


def floor(value):
    return value.numerator // value.denominator


def ceil(value):
    return -(-value.numerator // value.denominator)


def attempt(world, action, *args, refusals):
    """What the action returns, or None when it is refused for one of these reasons."""
    try:
        return world.act(action, *args, sender=world.other).value
    except Reverted as refused:
        if refused.reason not in refusals:
            raise
        return None


@PROPERTY
@given(state=STATES, amount=AMOUNTS)
def test_conversions__round_against_the_caller(vault, state, amount):
    shape(vault, state)
    share = price(vault)
    assert vault.read("convertToShares", amount) == floor(amount / share)
    assert vault.read("convertToAssets", amount) == floor(amount * share)
    assert vault.read("previewDeposit", amount) == floor(amount / share)
    assert vault.read("previewMint", amount) == ceil(amount * share)
    assert vault.read("previewWithdraw", amount) == ceil(amount / share)
    assert vault.read("previewRedeem", amount) == floor(amount * share)


@PROPERTY
@given(state=STATES, amount=AMOUNTS)
def test_round_trips__never_gain(vault, state, amount):
    """redeem(deposit(a)) <= a, and withdraw(a) burns at least what deposit(a) minted."""
    shape(vault, state)
    before = price(vault)
    refusals = ("zero shares", "vault is closed")
    shares = attempt(vault, "deposit", amount, vault.other, refusals=refusals)
    if shares is None:
        return
    assert price(vault) >= before
    assert vault.read("previewWithdraw", amount) >= shares
    back = attempt(vault, "redeem", shares, vault.other, vault.other, refusals=("zero assets",))
    assert (back or 0) <= amount
    assert price(vault) >= before


@PROPERTY
@given(state=STATES)
def test_max__passes_and_one_more_does_not(vault, state):
    shape(vault, state)
    who = (vault.lender, vault.lender)
    start = vault.host.snapshot()
    for limit, action in (("maxWithdraw", "withdraw"), ("maxRedeem", "redeem")):
        most = vault.read(limit, vault.lender)
        if most:
            vault.act(action, most, *who)
            vault.host.restore(start)
        with pytest.raises(Reverted) as refused:
            vault.act(action, most + 1, *who)
        assert refused.value.reason in ("not enough cash", "balance too low", "zero assets")
        vault.host.restore(start)
    most = vault.read("maxDeposit", vault.other)
    assert most <= vault.config["deposit_cap"]


@PROPERTY
@given(first=AMOUNTS, donated=st.integers(0, 10**30), second=st.integers(10**6, 10**14))
def test_first_depositor__donations_take_nothing_from_the_next(vault, first, donated, second):
    """Whoever comes first and whatever is sent to the vault, the next depositor loses no more
    than one unit."""
    vault.host.restore(vault.start)
    attempt(vault, "deposit", first, vault.other, refusals=("zero shares",))
    if donated:
        vault.host.transact(
            vault.token, vault.token_kind, "transfer", [vault.vault, donated], sender=vault.other
        )
    shares = vault.act("deposit", second, vault.lender).value
    back = vault.act("redeem", shares, vault.lender, vault.lender).value
    assert second - 1 <= back <= second
