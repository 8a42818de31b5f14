"""Trades of the leverage router and an order, through the real Uniswap v3.

TERMS, beside those of `benchmarks.gas`
    Pools of 0.3 % with liquidity at all prices, swapped in before. The owner's grant to the router
    and the approval of his own tokens stand. One collateral and one debt; a swap of either has the
    asset that it buys already. What opens brings the collateral, which is new to the account; what
    closes repays the whole debt and sends all that is left to the owner. The order is a
    stop-loss: all is sold, debt and keeper are paid, the owner is sent the rest. The pools are
    those of the path's one step; a second step takes a pool more.
"""

from __future__ import annotations

from math import floor, log
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from benchmarks.gas import ASSET, VAULT, ZERO, World
from breakwater.driver import InsuranceFund, LendingVault, LeverageRouter, Order, Path, Trade
from breakwater.foreign import FEE, Pool, factory
from breakwater.host import Receipt
from breakwater.mocks import ConstantFeedMock
from breakwater.units import MAX_UINT256, WAD, account_id

INCREASE, DECREASE, SWAP_COLLATERAL, SWAP_DEBT = 1, 2, 4, 8
RIGHTS = 1 | 2 | 4
FAR = 10**12
PRICE_AT_LEAST = 2
KEY = Account.from_key(keccak(text="trader"))
FIELDS = ("bytes32 account", "address sell", "address buy", "bool exact_output", "uint256 amount",
          "uint256 condition", "address watched", "uint256 trigger", "uint256 least_after",
          "uint256 most_after", "uint256 slippage", "uint256 fee", "uint256 epoch",
          "uint256 nonce", "uint256 deadline")  # fmt: skip
ORDER = {"Order": [dict(zip(("type", "name"), field.split(), strict=True)) for field in FIELDS]}


class _Token:
    """A token of the market as a pool takes it; it is minted out of what the owner has."""

    def __init__(self, world: LeverageWorld, address: str) -> None:
        self.world, self.address = world, address

    def mint(self, receiver: Any, amount: int, *, sender: str) -> None:
        """At most as much as a pool needs."""
        whole = min(amount, 10**10 * WAD)
        owner, to = self.world.owner, getattr(receiver, "address", receiver)
        self.world._on_token(self.address, "transfer", to, whole, sender=owner)


class LeverageWorld(World):
    """The protocol with a second debt asset, pools, a router, and a trader who has used them."""

    def _list(self) -> None:
        super()._list()
        host, owner = self.host, self.owner
        self.other_loan = self._new_token("Second")
        feed = ConstantFeedMock.deploy(host, 8, 10**8, sender=owner)
        config = ASSET._replace(source=feed.address)
        self.configurator.list_asset(self.other_loan, config, 0, False, ZERO, 0, sender=owner)
        self.other_vault = LendingVault.deploy(
            host, self.other_loan, self.engine, self.breaker, "Breakwater Second", "bwS",
            self.configurator, sender=owner,
        )  # fmt: skip
        fund = InsuranceFund.deploy(host, self.other_vault, "Fund", "fS", sender=owner)
        for spender in (self.configurator.address, self.other_vault.address):
            self._on_token(self.other_loan, "approve", spender, MAX_UINT256, sender=owner)
        self.configurator.open_vault(self.other_vault, fund, 1_000 * WAD, VAULT, sender=owner)
        self.configurator.list_debt(self.other_vault, 100 * WAD, sender=owner)
        self.breaker.add_vault(self.other_vault, sender=owner)
        self.other_vault.deposit(10**6 * WAD, owner, sender=owner)

    def _live(self) -> None:
        super()._live()
        self.trader = str(KEY.address)
        self.host.rpc("anvil_setBalance", self.trader, hex(10**24))
        self.factory = factory(self.host)
        self.router = LeverageRouter.deploy(self.host, self.engine, self.factory, sender=self.owner)
        self.names[self.router.address] = "router"
        first, second, _ = self.collaterals
        for tokens, prices in (
            ((first, self.loan), (2_000, 1)),
            ((first, second), (1, 1)),
            ((self.loan, self.other_loan), (1, 1)),
        ):
            self._pool(tokens, prices)
        self._on_token(first, "transfer", self.trader, 10**5 * WAD, sender=self.owner)
        self._on_token(first, "approve", self.router.address, MAX_UINT256, sender=self.trader)
        self.empty, self.levered, self.swapped, self.ordered, self.closed = (
            account_id(self.trader, number) for number in range(5)
        )
        for account in (self.empty, self.levered, self.swapped, self.ordered, self.closed):
            self.engine.set_operator(
                account, self.router, ZERO, RIGHTS, MAX_UINT256, FAR, sender=self.trader
            )
        for account in (self.levered, self.swapped, self.ordered, self.closed):
            self.open(account)
        # each has been done before
        self.leverage_raise()
        self.leverage_lower()
        self.leverage_swap_collateral()
        self.leverage_swap_debt()
        self.engine.withdraw_collateral(
            self.ordered, first, WAD // 10, self.trader, sender=self.trader
        )
        self._on_token(self.loan, "transfer", self.trader, WAD, sender=self.owner)

    def _pool(self, tokens: tuple[str, str], prices: tuple[int, int]) -> None:
        pairs = sorted(zip(tokens, prices, strict=True), key=lambda pair: int(pair[0], 16))
        tick = floor(log(pairs[0][1] / pairs[1][1], 1.0001))
        pool = Pool(
            self.host, tick=tick, liquidity=10**24, made_by=self.factory, fee=FEE,
            tokens=(_Token(self, pairs[0][0]), _Token(self, pairs[1][0])),
        )  # fmt: skip
        self.names[pool.address] = "pool"

    def _trade(
        self, kind: int, account: bytes, sell: str, buy: str, amount: int, **changes: Any
    ) -> Receipt:
        exact = bool(changes.get("exact_output"))
        trade = Trade(
            kind=kind, account=account, sell=sell, buy=buy, path=Path(FEE, ZERO, 0),
            exact_output=exact, amount=amount, limit=MAX_UINT256 if exact else 1, own_sell=0,
            own_buy=0, withdraw=0, deadline=FAR,
        )._replace(**changes)  # fmt: skip
        return self.router.trade(trade, [], [], sender=self.trader)

    # ------------------------------------------------------------ the operations

    def open(self, account: bytes) -> Receipt:
        """Ten tokens of collateral and half as much bought on credit."""
        first = self.collaterals[0]
        return self._trade(INCREASE, account, self.loan, first, 10_000 * WAD, own_buy=10 * WAD)

    def leverage_open(self) -> Receipt:
        return self.open(self.empty)

    def leverage_raise(self) -> Receipt:
        first = self.collaterals[0]
        return self._trade(INCREASE, self.levered, self.loan, first, 1_000 * WAD)

    def leverage_lower(self) -> Receipt:
        first = self.collaterals[0]
        return self._trade(DECREASE, self.levered, first, self.loan, 1_000 * WAD, exact_output=True)

    def leverage_close(self) -> Receipt:
        return self._trade(
            DECREASE, self.closed, self.collaterals[0], self.loan, MAX_UINT256,
            exact_output=True, withdraw=MAX_UINT256,
        )  # fmt: skip

    def leverage_swap_collateral(self) -> Receipt:
        first, second, _ = self.collaterals
        return self._trade(SWAP_COLLATERAL, self.swapped, first, second, WAD)

    def leverage_swap_debt(self) -> Receipt:
        return self._trade(SWAP_DEBT, self.swapped, self.other_loan, self.loan, 1_000 * WAD)

    def order_execute(self) -> Receipt:
        first = self.collaterals[0]
        order = Order(
            account=self.ordered, sell=first, buy=self.loan, exact_output=False,
            amount=MAX_UINT256, condition=PRICE_AT_LEAST, watched=first, trigger=1,
            least_after=0, most_after=0, slippage=100, fee=10 * WAD, epoch=0, nonce=1,
            deadline=FAR,
        )  # fmt: skip
        domain = {
            "name": "Breakwater LeverageRouter",
            "version": "1",
            "chainId": self.host.chain_id,
            "verifyingContract": self.router.address,
        }
        signed = KEY.sign_message(encode_typed_data(domain, ORDER, order._asdict())).signature
        return self.router.execute(
            order, bytes(signed), 0, Path(FEE, ZERO, 0), sender=self.liquidator
        )
