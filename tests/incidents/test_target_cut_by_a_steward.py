"""A steward who moved nothing but the borrow_ltv of a new asset cut its target to a thousandth: the
cap of that day became its last.
"""

from breakwater.units import DAY
from tests.unit.configurator.conftest import new, sealed

__all__ = ["new", "sealed"]


def test_target_stays_where_the_cap_does(sealed, new):
    """One basis point of borrow_ltv, at the cap that there is; the schedule goes on."""
    token, configurator = new(), sealed.configurator
    configurator.set_steward(sealed.other, sender=sealed.owner)
    sealed.host.advance(3 * DAY)
    token.feed.set(token.feed.answer(), sender=sealed.owner)
    cap, target = sealed.engine.book_of(token)[2], configurator.schedule_of(token)[1]
    ltv = sealed.lens.config_of(token).borrow_ltv
    configurator.steer(token, cap, ltv - 1, sender=sealed.other)
    # a steward's step is a fifth at most
    assert configurator.schedule_of(token)[1] >= target * 4 // 5
    configurator.grow(token, sender=sealed.other)
