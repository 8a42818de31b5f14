# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Changes of feeds
@license MIT
@notice How an asset gets another source, which blends in over 24 hours (`BlendFeed`), or the price
        that it is wound down at, which is announced 24 hours before.
"""

from contracts.interfaces import IConfigurator
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import price_words
from contracts.modules import rulebook
from contracts.modules import steps
from snekmate.auth import ownable

uses: ownable
uses: rulebook


interface IBlendFeed:
    def OLD() -> uint256: view
    def NEW() -> uint256: view
    def is_over() -> bool: view
    def is_refused() -> bool: view


MAX_BAND: constant(uint256) = 500  # [BPS] between the old source and the new
FEED_BITS: constant(uint256) = 2**asset_config.BAND_AT - 1  # source, highest age, decimals

BLEND_FEED: immutable(address)

# By asset, the feed from its old source to a new one, as long as that is under way
blend_of: public(HashMap[address, address])
# By asset, the settlement that is announced; zeros where none is
announcement_of: public(HashMap[address, IConfigurator.Announcement])


@deploy
def __init__(blend_feed: address):
    BLEND_FEED = blend_feed


@external
def replace_feed(
    asset: address, source: address, is_feed: bool, max_age: uint256, second: address
) -> address:
    """
    @notice Begins to replace the source of an asset. It must agree with the old one to within
            jump_band and 5 %; where that has had no price for 24 hours, with the last average, or
            with `second`. So has an asset whose source died while it was replaced: what was under
            way ends.
    @param source Chainlink aggregator, or a feed that keeps IPriceFeed.
    @param max_age [seconds] as in the configuration.
    @param second A feed to believe where the old source is dead; zero for none.
    @return The feed from the old source to the new.
    """
    ownable._check_owner()
    is_dead: bool = self._is_dead(asset)
    assert is_dead or self.blend_of[asset] == empty(address), "replacement is under way"
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = rulebook._words(asset)
    assert rule & asset_config.SOURCE != 0, "asset is settled"
    asset_config._check_age(max_age)
    new: uint256 = (
        convert(source, uint256)
        | (max_age // 60 << asset_config.AGE_AT)
        | (rulebook._feed_decimals(source, is_feed) << asset_config.FEED_DECIMALS_AT)
    )
    dead: address = empty(address)
    if is_dead:
        # the risk engine stands for no second source
        dead = second if second != empty(address) else rulebook.RISK_ENGINE
    blend: address = create_from_blueprint(
        BLEND_FEED,
        rulebook.RISK_ENGINE,
        asset,
        rule & FEED_BITS,
        new,
        min(asset_config._jump_band(rule), MAX_BAND),
        dead,
    )
    self.blend_of[asset] = blend
    age: uint256 = max(max_age // 60, (rule >> asset_config.AGE_AT) & 4_095)
    self._write_source(
        asset,
        convert(blend, uint256)
        | (age << asset_config.AGE_AT)
        | (asset_config.IS_FEED << asset_config.FEED_DECIMALS_AT),
    )
    log IConfigurator.ReplaceFeed(asset=asset, source=source, blend=blend)
    return blend


@external
def cancel_replacement(asset: address):
    """
    @notice Puts the old source back, which lives, while the new one is apart from it or dead. For
            the owner.
    """
    ownable._check_owner()
    blend: address = self._blend(asset)
    assert staticcall IBlendFeed(blend).is_refused(), "new source is not refused"
    old: uint256 = staticcall IBlendFeed(blend).OLD()
    self._write_source(asset, old)
    log IConfigurator.CancelReplacement(
        asset=asset, source=convert(old & asset_config.SOURCE, address)
    )


@external
def finish_replacement(asset: address):
    """
    @notice Points the asset straight at its new source, after 24 hours, when that is its price. For
            anyone.
    """
    blend: address = self._blend(asset)
    assert staticcall IBlendFeed(blend).is_over(), "replacement is not over"
    new: uint256 = staticcall IBlendFeed(blend).NEW()
    self._write_source(asset, new)
    log IConfigurator.FinishReplacement(
        asset=asset, source=convert(new & asset_config.SOURCE, address)
    )


@external
def announce_settlement(asset: address, price: uint256):
    """
    @notice Says at which price an asset will be wound down, a day before the owner may do so. In
            the place of what was announced for it before.
    @param price [WAD] judged when it is settled.
    """
    ownable._check_owner()
    ready_at: uint256 = block.timestamp + price_words.DAY
    self.announcement_of[asset] = IConfigurator.Announcement(price=price, ready_at=ready_at)
    log IConfigurator.AnnounceSettlement(asset=asset, price=price, ready_at=ready_at)


@external
def cancel_settlement(asset: address):
    """
    @notice Takes back what was announced.
    """
    ownable._check_owner()
    self._end_announcement(asset)
    log IConfigurator.CancelSettlement(asset=asset)


@external
def settle(asset: address):
    """
    @notice Winds an asset down for good at the price that was announced at least a day before, if
            pokes saw it in the last 7 days; see `IRiskEngine.settle`. A replacement of its feed
            ends.
    """
    ownable._check_owner()
    announced: IConfigurator.Announcement = self._end_announcement(asset)
    steps._check_due(announced.ready_at)
    self.blend_of[asset] = empty(address)
    extcall IRiskEngine(rulebook.RISK_ENGINE).settle(asset, announced.price)
    # else it would be bought for what it is worth now, and added at this price
    extcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).end_collateral(asset)


@view
@external
def blend_feed() -> address:
    """
    @notice Blueprint of the feeds that blend from an old source to a new one.
    """
    return BLEND_FEED


@internal
def _write_source(asset: address, source: uint256):
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = rulebook._words(asset)
    rulebook._write(asset, (rule & ~FEED_BITS) | source, term)


@internal
def _end_announcement(asset: address) -> IConfigurator.Announcement:
    announced: IConfigurator.Announcement = self.announcement_of[asset]
    assert announced.ready_at != 0, "no settlement is announced"
    self.announcement_of[asset] = empty(IConfigurator.Announcement)
    return announced


@internal
def _blend(asset: address) -> address:
    """
    @dev The replacement that ends now.
    """
    blend: address = self.blend_of[asset]
    assert blend != empty(address), "no replacement is under way"
    self.blend_of[asset] = empty(address)
    return blend


@view
@internal
def _is_dead(asset: address) -> bool:
    """
    @dev Whether pokes have seen no price for 24 hours, and there is none now.
    """
    rule: uint256 = 0
    term: uint256 = 0
    checkpoint: uint256 = 0
    seen: uint256 = 0
    rule, term, checkpoint, seen = staticcall IRiskEngine(rulebook.RISK_ENGINE).words_of(asset)
    last: uint256 = (seen >> price_words.SILENCE_AT) & price_words.MASK_32
    return (
        last != 0
        and (seen >> price_words.FADED_AT) + min(block.timestamp - last, price_words.MAX_GAP)
        >= price_words.DAY
        and (staticcall IRiskEngine(rulebook.RISK_ENGINE).quote(asset)).price == 0
    )
