# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Limits per window
@license MIT
@notice How far the cash of a vault may fall, and its debt grow, in 4 hours. Pure: what it needs is
        handed in.

        WINDOWS
        Aligned: number = time // WINDOW. The first operation that moves cash or debt in a window
        opens it, from the state as it stood before that operation. That state stood since an
        earlier block, so nothing within one block and no flash loan moves a limit. From then on
        only the level counts: what leaves and comes back in the window costs nothing.

        LIMIT
        max(floor, percent of the reference). The reference is the total averaged over a day: each
        window opened moves it 1/6 of the way to the total, several that were skipped as often.

        OUTFLOW
        Cash may fall by one limit below the lower of what it was at this opening and at the one
        before, so an inflow counts once it has stood for a whole window: who brings money and takes
        it out again, even over a boundary, takes none of the limit from others. Hence cash is at
        least that base less one limit in a window, less two limits in any span of WINDOW.

        GROWTH
        Debt may grow by one limit above what it was at the opening, interest included, and to the
        debt cap. A payment gives room back.

        ROUNDING
        Amounts keep 16 bits (`compact`); cash is rounded up and debt down, against who takes.
        A vault that was just opened has the floor for its limit.

        LAYOUT of the window word (bits; amounts in `compact`)
          0-23 reference · 24-47 cash at this opening · 48-71 cash at the one before
          72-95 debt at this opening · 96-119 debt cap · 120-143 floor
          144-150 outflow limit [%] · 151-157 growth limit [%]; 0 is no limit · 158-255 free
"""

from contracts.modules import compact

WINDOW: constant(uint256) = 4 * 3_600  # [s]
WINDOWS_A_DAY: constant(uint256) = 6
# (5 / 6)**64 is below what `compact` tells apart
SATURATED: constant(uint256) = 64  # [windows]

M7: constant(uint256) = 2**7 - 1
M24: constant(uint256) = 2**24 - 1
RULES_AT: constant(uint256) = 96


@pure
@internal
def _opened(
    window: uint256, passed: uint256, cash: uint256, debt: uint256, total: uint256
) -> uint256:
    """
    @dev The word of a window that begins `passed` windows after that of `window`, at least one,
         with the state as it stood.
    """
    reference: uint256 = total
    if passed < SATURATED:
        reference = compact._decode(window)
        for i: uint256 in range(passed, bound=SATURATED):
            # both are below 2**113
            reference = unsafe_div(
                unsafe_add(unsafe_mul(reference, WINDOWS_A_DAY - 1), total), WINDOWS_A_DAY
            )
    opening: uint256 = compact._encode_up(cash)
    before: uint256 = opening
    if passed == 1:
        before = window >> 24 & M24
    return (
        compact._encode(reference)
        | opening << 24
        | before << 48
        | compact._encode(debt) << 72
        | window >> RULES_AT << RULES_AT
    )


@pure
@internal
def _limit(window: uint256, percent: uint256) -> uint256:
    """
    @dev [assets]
    """
    return max(
        unsafe_div(unsafe_mul(compact._decode(window), percent), 100),
        compact._decode(window >> 120),
    )


@pure
@internal
def _least_cash(window: uint256, parts: uint256) -> uint256:
    """
    @dev Code of the cash that has to stay, where one of `parts` parts of the limit may leave.
    """
    percent: uint256 = window >> 144 & M7
    if percent == 0:
        return 0
    base: uint256 = min(compact._decode(window >> 24), compact._decode(window >> 48))
    limit: uint256 = unsafe_div(self._limit(window, percent), parts)
    return compact._encode_up(unsafe_sub(base, min(base, limit)))


@pure
@internal
def _most_debt(window: uint256) -> uint256:
    """
    @dev Code of the debt that there may be: the debt cap, or less.
    """
    cap: uint256 = window >> RULES_AT & M24
    percent: uint256 = window >> 151 & M7
    if percent == 0:
        return cap
    grown: uint256 = unsafe_add(compact._decode(window >> 72), self._limit(window, percent))
    return compact._encode(min(compact._decode(cap), grown))
