"""`set_growth`: how fast the total of a collateral may grow, on every path that moves it."""

from itertools import pairwise
from random import Random

import pytest

from breakwater.host import interface_of
from breakwater.mocks import HookTokenMock, OddTokenMock
from breakwater.model import liquidation
from breakwater.units import DAY, MAX_UINT256, WAD, account_id
from tests.market import DEPOSIT, WITHDRAW, refuses

LIMIT = "exposure growth limit is reached"
CAP = "collateral cap is reached"


def rounded(amount):
    """16 significant bits."""
    shift = max(0, amount.bit_length() - 16)
    return amount >> shift << shift


class Collateral:
    """One collateral with a cap of 1,000 tokens, of which a day may add a tenth; 100 are held."""

    def __init__(self, market, name="WETH", growth=10):
        self.market, self.name, self.asset = market, name, market.assets[name]
        self.engine, self.host = market.engine, market.host
        self.unit = self.asset.unit
        self.cap = rounded(1_000 * self.unit)
        self.add(100 * self.unit)
        self.next_day()
        self.set("set_growth", growth)
        self.base = self.total
        self.limit = rounded(self.base + self.cap * growth // 100)

    @property
    def total(self):
        return self.engine.book_of(self.asset)[1]

    @property
    def lens(self):
        return self.market.lens.collateral(self.asset)

    def set(self, function, *args):
        return getattr(self.market.configurator, function)(
            self.asset, *args, sender=self.market.owner
        )

    def add(self, amount, number=0, who=None):
        who = who or self.market.borrower
        self.market.give(self.name, who, amount)
        return self.engine.deposit_collateral(
            account_id(who, number), self.asset, amount, sender=who
        )

    def take(self, amount, number=0, who=None):
        who = who or self.market.borrower
        return self.engine.withdraw_collateral(
            account_id(who, number), self.asset, amount, who, sender=who
        )

    def next_day(self, before=0):
        """Go to the next day's first second, or to some before it."""
        self.host.advance(DAY - self.host.now % DAY - before)
        self.market.refresh()


@pytest.fixture
def weth(new_market):
    return Collateral(new_market(WETH={"cap": 1_000 * WAD}))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_growth__the_last_unit_and_one_above(new_market, decimals, number):
    market = new_market(WETH={"decimals": decimals, "cap": 1_000 * 10**decimals})
    weth = Collateral(market)
    room = weth.limit - weth.base
    assert 0 <= 100 * weth.unit - room <= weth.unit // 100
    with refuses(LIMIT):
        weth.add(room + 1, number)
    weth.add(room - 1, number)
    weth.add(1, number)
    assert weth.total == weth.limit
    for n in (0, 1):
        with refuses(LIMIT):
            weth.add(1, n)


def test_growth__whole_percents_of_small_caps(new_market):
    """1 % of 199 units is one: rounded down."""
    market = new_market(WETH={"cap": 199})
    market.configurator.set_growth(market.assets["WETH"], 1, sender=market.owner)
    market.give("WETH", market.borrower, 10)
    deposit = market.account(), market.assets["WETH"], 1
    market.engine.deposit_collateral(*deposit, sender=market.borrower)
    with refuses(LIMIT):
        market.engine.deposit_collateral(*deposit, sender=market.borrower)


def test_growth__the_day_ends(weth):
    weth.add(weth.limit - weth.base)
    full = weth.total
    weth.next_day(before=1)
    with refuses(LIMIT):
        weth.add(1)
    assert (weth.lens.room, weth.lens.room_until) == (0, weth.host.now + 1)
    weth.host.advance(1)
    room = rounded(full + weth.cap // 10) - full
    assert (weth.lens.room, weth.lens.room_until) == (room, weth.host.now + DAY)
    with refuses(LIMIT):
        weth.add(room + 1)
    weth.add(room)


def test_growth__twice_the_limit_around_midnight(weth):
    """At most a limit in each day: so twice that within a second, and no more."""
    weth.next_day(before=1)
    start = weth.total
    weth.add(weth.lens.room)
    weth.host.advance(1)
    weth.market.refresh()
    weth.add(weth.lens.room)
    assert 2 * weth.cap // 10 - weth.unit // 10 < weth.total - start <= 2 * weth.cap // 10
    with refuses(LIMIT):
        weth.add(1)


def test_growth__the_cap_still_holds(weth):
    weth.set("set_cap", 105 * WAD)
    assert weth.lens.room == rounded(105 * WAD) - weth.base
    with refuses(CAP):
        weth.add(weth.lens.room + 1)
    weth.add(weth.lens.room)
    with refuses(CAP):
        weth.add(1)


def test_growth__what_leaves_makes_room(weth):
    weth.add(weth.limit - weth.base)
    weth.take(30 * WAD)
    with refuses(LIMIT):
        weth.add(30 * WAD + 1, who=weth.market.other)
    weth.add(30 * WAD, who=weth.market.other)


def test_growth__a_withdrawal_opens_the_day_too(weth):
    """Who leaves and comes back takes no room from anybody."""
    weth.next_day()
    weth.take(60 * WAD)
    weth.add(60 * WAD)
    assert weth.total == weth.base
    weth.add(weth.limit - weth.base, who=weth.market.other)
    with refuses(LIMIT):
        weth.add(1)


@pytest.mark.parametrize("first", [True, False])
def test_growth__nothing_within_a_block_moves_the_room(weth, first):
    """In and out again, as a flash loan would: alone, in a batch, as the first of a day or not."""
    market = weth.market
    if first:
        weth.next_day()
    room = weth.limit - weth.base
    market.give("WETH", market.borrower, 2 * room)
    weth.add(room)
    weth.take(room)
    legs = [market.leg(DEPOSIT, "WETH", room), market.leg(WITHDRAW, "WETH", room)] * 3
    weth.engine.batch(legs, b"", sender=market.borrower)
    legs = [market.leg(WITHDRAW, "WETH", weth.base), market.leg(DEPOSIT, "WETH", weth.base)]
    weth.engine.batch(legs, b"", sender=market.borrower)
    assert (weth.total, weth.lens.room) == (weth.base, room)
    legs = [market.leg(DEPOSIT, "WETH", room), market.leg(DEPOSIT, "WETH", 1)]
    with refuses(LIMIT):
        weth.engine.batch(legs, b"", sender=market.borrower)
    weth.engine.batch(legs[:1], b"", sender=market.borrower)
    with refuses(LIMIT):
        weth.add(1, who=market.other)


def test_growth__moves_and_credits_leave_the_book_alone(weth):
    market = weth.market
    weth.add(10 * WAD)
    weth.engine.borrow(
        market.account(), market.assets["USDC"], 150_000 * 10**6, market.borrower,
        sender=market.borrower,
    )  # fmt: skip
    weth.next_day()
    book = weth.engine.book_word(weth.asset)
    weth.engine.move_collateral(
        market.account(), market.account(1), weth.asset, WAD, sender=market.borrower
    )
    market.host.advance(12)
    market.price("WETH", 1_500)
    mine = account_id(market.liquidator)
    assert market.liquidate("USDC", "WETH", credit=mine).value[1] > 0
    assert weth.engine.book_word(weth.asset) == book


def test_growth__a_liquidation_that_pays_out_makes_room(weth):
    market = weth.market
    weth.engine.borrow(
        market.account(), market.assets["USDC"], 150_000 * 10**6, market.borrower,
        sender=market.borrower,
    )  # fmt: skip
    weth.next_day()
    market.price("WETH", 1_700)
    seized = market.liquidate("USDC", "WETH").value[1]
    assert weth.lens.room == weth.limit - weth.base + seized
    with refuses(LIMIT):
        weth.add(weth.limit - weth.base + seized + 1, who=market.other)
    weth.add(weth.limit - weth.base + seized, who=market.other)


def test_growth__below_maintenance_what_is_missing_may_be_added(weth):
    """LIVE-1: the way out of a liquidation does not depend on what others have filled."""
    market, account = weth.market, weth.market.account()
    weth.engine.borrow(
        account, market.assets["USDC"], 150_000 * 10**6, market.borrower, sender=market.borrower
    )
    market.host.advance(12)
    weth.add(weth.limit - weth.base, who=market.other)
    with refuses(LIMIT):
        weth.add(1)
    market.price("WETH", 1_750)
    missing = liquidation.shortfall(market.legs(), market.rules(), market.spot(), "WETH")
    assert missing > WAD
    assert market.lens.max_deposit(account, weth.asset) == missing
    with refuses(LIMIT):
        weth.add(missing + 1)
    with refuses(LIMIT):
        weth.add(1, 1)
    weth.add(missing)
    with refuses(LIMIT):
        weth.add(1)
    # it counts: the next day begins above the limit of this one
    assert weth.total == weth.limit + missing
    weth.next_day()
    assert weth.lens.room == rounded(weth.total + weth.cap // 10) - weth.total


def test_growth__not_in_the_block_of_a_loan(weth):
    market = weth.market
    weth.add(weth.limit - weth.base, who=market.other)
    market.host.advance(12)
    market.borrow("USDC", 150_000)
    market.price("WETH", 1_750)
    with refuses(LIMIT):
        weth.add(1)
    market.host.advance(0, 1)
    weth.add(1)


def test_growth__what_arrives_counts(new_market, host):
    owner = host.account("owner")
    token = OddTokenMock.deploy(host, "Fee", "FEE", 18, sender=owner)
    fee = {"decimals": 18, "dollars": 1, "token": token, "takes_fee": True, "cap": 1_000 * WAD}
    fee = Collateral(new_market(FEE=fee), "FEE")
    token.set_odds(1, 1_000, False, False, sender=owner)
    room = fee.limit - fee.base
    sent = room * 10 // 9
    with refuses(LIMIT):
        fee.add(sent + 2)
    fee.add(sent)
    assert 0 <= fee.limit - fee.total <= 2


def test_growth__a_token_that_calls_back_is_counted_once(new_market, host):
    """The token, during its transfer into the engine, is made to give more of itself."""
    owner = host.account("owner")
    token = HookTokenMock.deploy(host, "Hook", "HOOK", 18, sender=owner)
    hook = {"decimals": 18, "dollars": 1, "token": token, "takes_fee": True, "cap": 1_000 * WAD}
    market = new_market(HOOK=hook)
    hook = Collateral(market, "HOOK")
    data = interface_of("HookTokenMock").function("mint", 2).encode([market.engine.address, WAD])
    token.set_hook(token, data, True, sender=owner)
    hook.add(hook.limit - hook.base)
    assert hook.total == hook.limit
    with refuses(LIMIT):
        hook.add(1)


# ------------------------------------------------------------------ the owner


def test_set_growth__is_recorded(weth):
    event = weth.set("set_growth", 7).event("SetGrowth")
    assert event.args == {"asset": weth.asset.address, "growth": 7}
    assert (weth.lens.growth, weth.engine.book_of(weth.asset)[1:]) == (
        7, (weth.base, weth.cap, False),
    )  # fmt: skip


def test_set_growth__refusals(weth):
    market = weth.market
    with refuses("ownable: caller is not the owner"):
        weth.market.configurator.set_growth(weth.asset, 1, sender=market.other)
    with refuses("asset is no collateral"):
        weth.market.configurator.set_growth(market.other, 1, sender=market.owner)
    for growth in (101, 128, MAX_UINT256):
        with refuses("growth is above 100 percent"):
            weth.set("set_growth", growth)
    weth.set("set_growth", 100)


def test_set_growth__more_gives_room_from_the_next_day_on(weth):
    weth.set("set_growth", 50)
    assert weth.lens.room == weth.limit - weth.base
    weth.next_day()
    assert weth.lens.room == rounded(weth.base + weth.cap // 2) - weth.base


def test_set_growth__less_acts_at_once(weth):
    weth.set("set_growth", 5)
    assert weth.lens.room == rounded(weth.base + weth.cap // 20) - weth.base
    weth.set("set_growth", 10)
    assert weth.lens.room == rounded(weth.base + weth.cap // 20) - weth.base


@pytest.mark.parametrize("held", [0, 99, 100, 101])
def test_set_growth__the_first_on_an_open_day_counts_from_zero(new_market, held):
    """Whoever executes it may have brought what is held a moment ago: a tenth of 1,000 in all."""
    market = new_market(WETH={"cap": 1_000 * WAD})
    weth = Collateral(market)
    weth.set("set_growth", 0)
    weth.take(100 * WAD - 1)
    weth.take(1)
    if held:
        weth.add(held * WAD)
    weth.set("set_growth", 10)
    most = rounded(weth.cap // 10)
    assert weth.lens.room == max(most - held * WAD, 0)
    with refuses(LIMIT):
        weth.add(weth.lens.room + 1)
    if held:
        weth.take(held * WAD)
    assert weth.lens.room == most
    # more of it is no way round, nor is a higher cap
    weth.set("set_growth", 20)
    weth.set("set_cap", 2_000 * WAD)
    assert weth.lens.room == most
    weth.next_day()
    assert weth.lens.room == rounded(rounded(2_000 * WAD) // 5)


@pytest.mark.parametrize("call", ["set_growth", "add", "take"])
def test_set_growth__the_first_of_a_day_counts_what_is_held(new_market, call):
    """What stood since yesterday is no deposit of this block; a unit in or out, and it may be."""
    market = new_market(WETH={"cap": 1_000 * WAD})
    weth = Collateral(market)
    weth.set("set_growth", 0)
    weth.next_day()
    if call != "set_growth":
        getattr(weth, call)(1)
    weth.set("set_growth", 10)
    if call == "set_growth":
        assert weth.lens.room == weth.limit - weth.base
    else:
        assert weth.lens.room == max(rounded(weth.cap // 10) - weth.total, 0)


def test_set_growth__none_ends_it_at_once(weth):
    weth.set("set_growth", 0)
    weth.add(weth.cap - weth.base)
    with refuses(CAP):
        weth.add(1)
    assert weth.lens.room_until == 0


@pytest.mark.parametrize("opened", [True, False])
def test_set_cap__more_gives_room_from_the_next_day_on(weth, opened):
    """Also on a day that nothing has moved yet: unless it is this that opens it."""
    if not opened:
        weth.next_day()
    weth.set("set_cap", 2_000 * WAD)
    grown = rounded(2_000 * WAD) // 10
    today = weth.limit if opened else rounded(weth.base + grown)
    assert weth.lens.room == today - weth.base
    weth.next_day()
    assert weth.lens.room == rounded(weth.base + grown) - weth.base


@pytest.mark.parametrize("change", [("set_cap", 2_000 * WAD), ("set_growth", 11)])
def test_set__a_deposit_of_a_moment_is_not_built_upon(weth, change):
    """Whoever executes the owner's order may put money around it."""
    weth.next_day()
    weth.add(weth.limit - weth.base)
    weth.set(*change)
    weth.take(weth.limit - weth.base)
    assert weth.lens.room == weth.limit - weth.base


def test_set_depth__leaves_growth_alone(weth):
    book = weth.engine.book_word(weth.asset)
    weth.set("set_depth", 5 * WAD)
    assert weth.engine.book_word(weth.asset) & (2**192 - 1) == book
    weth.set("set_growth", 9)
    assert weth.lens.depth == rounded(5 * WAD)


# ------------------------------------------------------------------ over many days


@pytest.mark.parametrize("seed", range(3))
def test_growth__over_days(weth, seed):
    """A day ends at most a limit above where it began, and no second of it is above that; so any
    24 hours end at most two limits above where the day began in which they began."""
    random, host, market = Random(seed), weth.host, weth.market
    people = [market.borrower, market.other, market.lender]
    limit, span = weth.cap // 10, []
    begun = {host.now // DAY: weth.total}
    held = dict.fromkeys(people, 0)
    passed = refused = 0
    for _ in range(250):
        host.advance(random.choice((0, 1, 600, 7_200, 30_000, DAY - host.now % DAY)))
        market.refresh()
        begun.setdefault(host.now // DAY, weth.total)
        who, amount = random.choice(people), random.randrange(1, 2 * limit)
        if random.random() < 0.4 and held[who]:
            amount = min(amount, held[who])
            weth.take(amount, 5, who)
            held[who] -= amount
        elif amount <= weth.lens.room:
            weth.add(amount, 5, who)
            held[who] += amount
            passed += 1
        else:
            with refuses(CAP if weth.total + amount > weth.cap else LIMIT):
                weth.add(amount, 5, who)
            refused += 1
        span.append((host.now, weth.total))
        assert weth.total <= begun[host.now // DAY] + limit
    assert passed > 20
    assert refused > 20
    for i, (start, _) in enumerate(span):
        for end, total in span[i:]:
            if end <= start + DAY:
                assert total <= begun[start // DAY] + 2 * limit
    assert max(b[1] - a[1] for a, b in pairwise(sorted(begun.items()))) > limit * 9 // 10
