"""A liquidation of the fullest account: eight legs, every asset at the costliest feed that a market
file allows.

TERMS, beside those of `benchmarks.gas`
    Seven collaterals and one debt: a seized collateral costs more than another debt would, as its
    terms and its book are read and it is sent. All are sent, to a receiver without balances.
    Each asset's price is a RateFeed over a median of three aggregators, all of its own. Those are
    mocks: a Chainlink proxy takes about 12,000 more each.
    The account is under water by prices that jumped, so it is valued twice, and the rest of its
    debt is written off. Every collateral has a limit of growth and a depth. The liquidation is the
    first action of a day and of a window of the vault.
    No feed is in its replacement, which would stand on two for a day: eight at once are no market.
"""

from __future__ import annotations

from benchmarks.gas import ASSET, VAULT, ZERO, World
from breakwater.driver import MedianFeed, RateFeed
from breakwater.host import Receipt
from breakwater.mocks import AggregatorMock, StakedTokenMock
from breakwater.units import DAY, MAX_UINT256, WAD, account_id

COLLATERALS = 7
PRICE = 2_000 * 10**8
LOWER_PRICE = 1_500 * 10**8
"""A collateral of 10,500 then stands against a debt of 11,000."""

DEBT = 11_000 * WAD
JUMP_TIME = 660
"""[s] between two pokes: a loss that rests on a jump waits for ten minutes."""


class FullestWorld(World):
    """A protocol with one account of eight legs."""

    def _list(self) -> None:
        owner = self.owner
        self.collaterals = [self._new_token(f"Full {n}") for n in range(COLLATERALS)]
        self.sources: list[tuple[AggregatorMock, int]] = []
        for token in (self.loan, *self.collaterals):
            is_loan = token == self.loan
            feed = self._feed(10**8 if is_loan else PRICE)
            config = ASSET._replace(source=feed.address, is_feed=True)
            cap = 0 if is_loan else 10**9 * WAD
            self.configurator.list_asset(token, config, cap, False, ZERO, 0, sender=owner)
            if not is_loan:
                self.configurator.set_growth(token, 10, sender=owner)
                self.configurator.set_depth(token, 10**6 * WAD, sender=owner)
        self._on_token(self.loan, "approve", self.configurator.address, MAX_UINT256, sender=owner)
        self.configurator.open_vault(self.vault, self.fund, 1_000 * WAD, VAULT, sender=owner)
        self.configurator.list_debt(self.vault, 100 * WAD, sender=owner)
        self.breaker.add_vault(self.vault, sender=owner)

    def _feed(self, price: int) -> RateFeed:
        """A share of an asset that three sources price."""
        host, owner = self.host, self.owner
        sources = [AggregatorMock.deploy(host, 8, price, sender=owner) for _ in range(3)]
        base = MedianFeed.deploy(host, sources, [DAY] * 3, 2, 100, False, "", sender=owner)
        share = StakedTokenMock.deploy(host, "", "", self.loan, sender=owner)
        feed = RateFeed.deploy(host, share, base, 1_000, sender=owner)
        self.names |= {source.address: "source" for source in sources}
        self.names |= {base.address: "median", share.address: "share", feed.address: "rate"}
        later = LOWER_PRICE if price == PRICE else price
        self.sources += [(source, later) for source in sources]
        return feed

    def _live(self) -> None:
        sender, account = self.borrower, self.doomed
        for actor in (self.lender, sender, self.liquidator):
            for token in (self.loan, *self.collaterals):
                self._on_token(token, "transfer", actor, 10**6 * WAD, sender=self.owner)
                spender = self.vault if token == self.loan else self.engine
                self._on_token(token, "approve", spender.address, MAX_UINT256, sender=actor)
        self.vault.deposit(900_000 * WAD, self.lender, sender=self.lender)
        for token in self.collaterals:
            self.engine.deposit_collateral(account_id(sender), token, WAD, sender=sender)
            self.engine.deposit_collateral(account, token, WAD, sender=sender)
        self.engine.borrow(account, self.loan, DEBT, sender, sender=sender)

    def liquidate_fullest(self) -> Receipt:
        """The whole debt, in one call."""
        self.host.advance(DAY)
        for wait in (0, JUMP_TIME):
            if wait:
                self.host.advance(wait)
            for source, price in self.sources:
                source.set(price, sender=self.owner)
            for token in self.collaterals:
                self.breaker.poke(token, sender=self.owner)
        pair, nobody = (self.loan, self.collaterals[0]), self.host.account("nobody")
        return self.engine.liquidate(
            self.doomed, *pair, MAX_UINT256, 0, nobody, bytes(32), b"", sender=self.liquidator
        )
