"""For each planted bug a short sequence that shows it, by hand: each is within reach of the market.

Prices are those of `breakwater.fuzz.profiles`: WETH 2,000 dollars, WBTC 50,000, HOOK 10, ODD 3.
"""

from breakwater.fuzz import pools
from breakwater.fuzz.profiles import DELAY
from breakwater.fuzz.steps import Step

ALL = 2**256 - 1
HOUR, DAY = 3_600, 86_400
NOWHERE = "0x" + "00" * 20
NOTHING = "0x" + "00" * 32
WITHDRAW = 2
MAGIC = "0x439148f0bbc682ca079e46d6e2c2f0c1e3b820f1a291b069d8882abf8cf18dd9"
"""What a flash loan's callback returns."""


def usdc(amount):
    return int(amount * 10**6)


def weth(amount):
    return int(amount * 10**18)


def call(sender, target, function, *args, wait=0, blocks=0):
    return Step(sender, target, function, args, wait, blocks)


def engine(sender, function, *args, **time):
    return call(sender, "engine", function, *args, **time)


def price(symbol, dollars, sources=1):
    found = [call("keeper", f"source.{symbol}.{i}", "set", dollars * 10**8) for i in range(sources)]
    if symbol == "WBTC":  # its pool follows
        words = pools.observations(pools.tick_of(dollars * 10**8, 8))
        found.append(call("keeper", "pool.WBTC", "set_answer", pools.as_bytes(words)))
    return found


def ruled(target, function, *args):
    """The owner's way."""
    inner = Step("timelock", target, function, args)
    full = f"@{target}", 0, {"call": inner}, NOTHING, NOTHING
    return [
        call("governor", "timelock", "schedule", *full, DELAY),
        call("keeper", "timelock", "execute", *full, wait=DELAY, blocks=300),
        # two days later nothing has a price that nobody renews
        *price("WETH", 2_000, 3),
        *price("USDC", 1, 2),
    ]


def liquidate(account, debt, collateral, **time):
    return engine(
        "liquidator_1", "liquidate", account, f"@token.{debt}", f"@token.{collateral}", ALL, 0,
        "@liquidator_1", NOTHING, "0x", **time,
    )  # fmt: skip


def borrow(account, symbol, amount, **time):
    owner = account.split("#")[0]
    return engine(owner, "borrow", account, f"@token.{symbol}", amount, f"@{owner}", **time)


def add(account, symbol, amount):
    owner = account.split("#")[0]
    return engine(owner, "deposit_collateral", account, f"@token.{symbol}", amount)


def deposit(lender, amount, **time):
    return call(lender, "vault.USDC", "deposit", amount, f"@{lender}", **time)


UNDER_WATER = [
    *price("WETH", 700, 3),
    call("keeper", "breaker", "poke", "@token.WETH"),
    liquidate("borrower_1#0", "USDC", "WETH", wait=700, blocks=1),
]
HOOKED = call(
    "attacker", "engine", "withdraw_collateral", "attacker#1", "@token.HOOK", 10**20, "@attacker"
)

SEQUENCES = {
    "batch_withdrawal_unchecked": [
        engine(
            "borrower_1", "batch",
            [[WITHDRAW, "borrower_1#0", "@token.WETH", weth(9), "@borrower_1", NOTHING, NOWHERE,
              0]],
            "0x",
        )
    ],
    "burnt_shares_in_supply": UNDER_WATER,
    "collateral_at_highest_price": [
        *price("WETH", 1_800, 3),
        borrow("borrower_1#0", "USDC", usdc(6_500)),
    ],
    "decimals_of_the_debt": [
        borrow("borrower_3#0", "WBTC", 12_500_000),
        *price("WBTC", 57_000),
        liquidate("borrower_3#0", "WBTC", "USDC", blocks=1),
    ],
    "deposit_cap_before_deposit": [
        deposit("lender_3", usdc(2_000_000)),
        deposit("operator", usdc(2_000_000)),
        deposit("borrower_3", usdc(1_900_000)),
    ],
    "donation_counted": [
        call("attacker", "token.USDC", "transfer", "@vault.USDC", usdc(1_000)),
        call("lender_1", "vault.USDC", "withdraw", usdc(1_000), "@lender_1", "@lender_1"),
    ],
    "empty_leg_kept": [engine("borrower_1", "repay", "borrower_1#0", "@token.USDC", ALL)],
    "fee_at_old_price": [call("keeper", "vault.USDC", "settle_fee", wait=30 * DAY, blocks=1)],
    "flash_loan_forgets_payments": [
        call(
            "attacker", "attacker", "set_calls",
            [["@engine", {"call": engine("attacker", "repay", "attacker#0", "@token.USDC", ALL)},
              True]],
            MAGIC,
        ),
        call(
            "attacker", "vault.USDC", "flashLoan", "@attacker", "@token.USDC", usdc(1_000), "0x"
        ),
    ],
    "fresh_risk_liquidated": [
        borrow("borrower_1#0", "USDC", usdc(6_900)),
        *price("WETH", 1_800, 3),
        liquidate("borrower_1#0", "USDC", "WETH"),
    ],
    "growth_opened_after": [
        engine(
            "borrower_3", "deposit_collateral", "borrower_3#0", "@token.USDC", usdc(1_000),
            wait=2 * HOUR, blocks=1,
        )
    ],
    "halted_collateral_counted": [
        call("guardian", "breaker", "trip", "@token.WETH", 2, DAY),
        borrow("borrower_1#0", "USDC", usdc(1_000)),
    ],
    "hold_budget_open": [
        call("guardian", "breaker", "trip", "@token.WETH", 1, 7 * DAY),
        call("guardian", "breaker", "trip", "@token.WETH", 1, 7 * DAY, wait=8 * DAY, blocks=1),
    ],
    "incentive_uncapped": [
        borrow("borrower_1#0", "USDC", usdc(6_900)),
        *price("WETH", 1_705, 3),
        liquidate("borrower_1#0", "USDC", "WETH", blocks=1),
    ],
    "interest_twice": [
        deposit("lender_1", usdc(1_000), wait=HOUR, blocks=1),
        deposit("lender_1", usdc(1_000)),
    ],
    "jump_unconfirmed": [
        *price("WBTC", 15_000),
        liquidate("borrower_2#0", "WETH", "WBTC"),
    ],
    "latch_lifted_early": [
        *price("WBTC", 40_000),
        call("keeper", "breaker", "poke", "@token.WBTC"),
        *price("WBTC", 50_000),
        call("keeper", "breaker", "poke", "@token.WBTC"),
    ],
    "loan_rounded_down": [
        borrow("borrower_1#0", "USDC", usdc(1_000) + 1, wait=HOUR, blocks=1)
    ],
    "loss_still_owed": UNDER_WATER,
    "operator_amount_unspent": [
        engine(
            "borrower_1", "set_operator", "borrower_1#0", "@operator", "@token.USDC", 4,
            usdc(1_000), 2**40 - 1,
        ),
        engine("operator", "borrow", "borrower_1#0", "@token.USDC", usdc(600), "@operator"),
    ],
    "pair_lowers_health": [
        add("borrower_1#2", "WETH", weth(5)),
        add("borrower_1#2", "ODD", 3_500 * 10**12),
        borrow("borrower_1#2", "USDC", usdc(11_000)),
        *price("WETH", 800, 3),
        liquidate("borrower_1#2", "USDC", "WETH", blocks=1),
    ],
    "stake_rounded_up": [
        call("lender_1", "fund.USDC", "deposit", 10**9 + 1, "@lender_1", wait=HOUR, blocks=1)
    ],
    "stale_price_accepted": [
        call("keeper", "breaker", "poke", "@token.WBTC", wait=25 * HOUR, blocks=1),
        *price("WETH", 2_000, 3),
        *price("USDC", 1, 2),
        *price("WBTC", 50_000),
        borrow("borrower_2#0", "USDC", usdc(1_000)),
    ],
    "withdrawal_burns_too_little": [
        call(
            "lender_1", "vault.USDC", "withdraw", usdc(1_000) + 1, "@lender_1", "@lender_1",
            wait=HOUR, blocks=1,
        )
    ],
    "withdrawal_reentrant": [
        engine("attacker", "deposit_collateral", "attacker#1", "@token.HOOK", 10**21),
        call(
            "keeper", "token.HOOK", "set_hook", "@attacker",
            {"call": call("keeper", "attacker", "execute", "@engine", {"call": HOOKED})}, False,
        ),
        HOOKED,
    ],
}  # fmt: skip
