# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Circuit breaker
@license MIT
@notice Policy of the breakers: which sensor latches which level of an asset, and for how long.
        What the sensors see acts at once where prices are read; a latch only keeps the level up
        until the cool-down is over.

        LATCHES
        One for each asset and reason: a level and its expiry.
        reason      latched when                                     level    until
        PRICE_JUMP  poke finds the spot away from its average        CAUTION  30 minutes on
        DISPERSION  poke finds the sources apart                     CAUTION  30 minutes on
        STALE       poke finds no price, and one at least 15         HALT     1 hour on
                    minutes before did, and none between found one
        GUARDIAN    the guardian says so                             either   at most 7 days on
        SUPPLY      poke finds the issuer's supply grown by more     HALT     24 hours on
                    than its limit, and so did all in the last 10
                    minutes or more (see `supply_growth`)
        INSOLVENCY  check_solvency finds less than the books say     HALT     24 hours on
        A poke or a check that finds all well shortens nothing. The engine's latch of an asset is
        the highest of its reasons; its vault's is the guardian's and that for insolvency, since
        neither prices nor issuers halt lenders.

        BUDGET
        Where a latch acts, what the guardian holds covers at most 7 days in any 30 (see `latch`);
        a trip beyond that is refused. Sensors spend none of it: they end with their cause. A vault
        that is short itself takes a halt for insolvency beyond the budget; one that is not, where
        it is the engine that lacks its asset, takes it while the budget lasts.

        LIVENESS
        Anyone may poke, check and lift what has expired; expiry needs nobody. Poke and check
        revert while the lock of the credit engine or of a vault is held, so nothing is stored in
        mid-call. A push that a vault or the engine refuses reverts the call, but for a vault that
        refuses a halt for insolvency: the asset is halted all the same.

        ROLES
        owner     connects the engines once, adds vaults, names the guardian, sets how much supplies
                  may grow; it has no say in latches
        guardian  raises and extends its own latches, and lifts them early; no other's
"""

from contracts.interfaces import ICircuitBreaker
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import price_history
from contracts.modules import price_range
from contracts.modules import price_words
from contracts.modules import reasons
from contracts.modules import supply_growth
from ethereum.ercs import IERC20

implements: ICircuitBreaker


# Ownership can be handed on, but not given up: `renounce_ownership` is not exported.
from snekmate.auth import ownable

initializes: ownable
# what is latched, and the prices that pokes saw
initializes: reasons
initializes: price_range
# a sensor of its own, with what it remembers of each supply
initializes: supply_growth

exports: (
    ownable.owner,
    ownable.transfer_ownership,
    reasons.level_of,
    reasons.latch_of,
    price_range.range_of,
)


interface IVault:
    def asset() -> address: view
    def cash() -> uint256: view
    def flash_out() -> uint256: view
    def debt_assets() -> uint256: view
    def totalAssets() -> uint256: view
    def set_level(caution_until: uint256, halt_until: uint256, held_until: uint256): nonpayable


interface ICreditEngine:
    def book_of(asset: address) -> (uint256, uint256, uint256, bool): view
    def debt_of(asset: address) -> (uint256, address, uint256): view


CAUTION: constant(uint256) = 1
HALT: constant(uint256) = 2

COOL_DOWN: constant(uint256) = 1_800  # [s]
STALE_DELAY: constant(uint256) = 900  # [s]
STALE_HALT: constant(uint256) = 3_600  # [s]
DAY: constant(uint256) = 86_400  # [s]
MAX_HOLD: constant(uint256) = 4 * 3_600  # [s] of liquidations
HOLD_GRACE: constant(uint256) = 3_600  # [s] see `maintenance`
WIND_DOWN: constant(uint256) = 3
MAX_DURATION: constant(uint256) = 7 * 86_400  # [s] of a trip
MAX_VAULTS: constant(uint256) = 32

# Left for a vault to take or to refuse a halt, so that nobody makes it refuse for want of gas
VAULT_GAS: constant(uint256) = 500_000

risk_engine: public(address)
credit_engine: public(address)
guardian: public(address)
vaults: DynArray[address, MAX_VAULTS]
vault_of: public(HashMap[address, address])  # by asset
# first of the pokes in a row that found no price [unix seconds]; 0: the last found one
stale_since: public(HashMap[address, uint256])
# end of the last halt for insolvency that the asset's vault took [unix seconds]
vault_halts: HashMap[address, uint256]


@deploy
def __init__(owner: address, guardian: address):
    assert owner != empty(address), "owner is zero"
    ownable.__init__()
    ownable._transfer_ownership(owner)
    self.guardian = guardian
    log ICircuitBreaker.SetGuardian(guardian=guardian)


@external
def poke(asset: address) -> uint256:
    """
    @notice See `ICircuitBreaker.poke`.
    """
    self._check_connected()
    self._check_unlocked()
    status: uint256 = self._write_price(asset)

    stale_since: uint256 = self.stale_since[asset]
    if status != price_words.STALE:
        stale_since = 0
    elif stale_since == 0:
        stale_since = block.timestamp
    if stale_since != self.stale_since[asset]:
        self.stale_since[asset] = stale_since

    packed: uint256 = reasons.latches[asset]
    word: uint256 = reasons._lift_expired(asset, packed)
    latched: uint256 = word
    if status == price_words.JUMP:
        latched = reasons._tripped(asset, latched, reasons.AT_PRICE_JUMP, CAUTION, COOL_DOWN)
    elif status == price_words.DISPERSED:
        latched = reasons._tripped(asset, latched, reasons.AT_DISPERSION, CAUTION, COOL_DOWN)
    elif status == price_words.STALE and block.timestamp - stale_since >= STALE_DELAY:
        latched = reasons._tripped(asset, latched, reasons.AT_STALE, HALT, STALE_HALT)
    if supply_growth._observe(asset):
        latched = reasons._tripped(asset, latched, reasons.AT_SUPPLY, HALT, DAY)

    if latched != packed:
        reasons.latches[asset] = latched
    if latched != word:
        self._push_risk(asset, latched)
    return status


@external
def check_solvency(asset: address) -> (uint256, uint256, uint256):
    """
    @notice See `ICircuitBreaker.check_solvency`.
    """
    self._check_listed(asset)
    self._check_unlocked()
    engine: address = self.credit_engine
    vault: address = self.vault_of[asset]
    held: uint256 = (staticcall ICreditEngine(engine).book_of(asset))[1]
    of_accounts: uint256 = self._missing(held, staticcall IERC20(asset).balanceOf(engine))
    of_cash: uint256 = 0
    of_claims: uint256 = 0
    if vault != empty(address):
        cash: uint256 = staticcall IVault(vault).cash()
        owned: uint256 = (
            cash + staticcall IVault(vault).flash_out() + staticcall IVault(vault).debt_assets()
        )
        of_cash = self._missing(cash, staticcall IERC20(asset).balanceOf(vault))
        of_claims = self._missing(staticcall IVault(vault).totalAssets(), owned)

    if max(max(of_accounts, of_cash), of_claims) != 0:
        packed: uint256 = reasons.latches[asset]
        word: uint256 = reasons._lift_expired(asset, packed)
        latched: uint256 = reasons._tripped(asset, word, reasons.AT_INSOLVENCY, HALT, DAY)
        if latched != packed:
            reasons.latches[asset] = latched
        if latched != word:
            self._push_risk(asset, latched)
        self._halt_vault(asset, vault, latched)
    return of_accounts, of_cash, of_claims


@external
def trip(asset: address, level: uint256, duration: uint256):
    """
    @notice See `ICircuitBreaker.trip`.
    """
    assert msg.sender == self.guardian, "caller is not guardian"
    assert level == CAUTION or level == HALT, "level must be 1 or 2"
    assert duration != 0, "duration is zero"
    assert duration <= MAX_DURATION, "duration above 7 days"
    self._check_listed(asset)

    word: uint256 = reasons._lift_expired(asset, reasons.latches[asset])
    held: uint256 = 0
    until: uint256 = 0
    held, until = reasons._latch(word, reasons.AT_GUARDIAN)
    assert level >= held, "level below the latched one"
    assert block.timestamp + duration >= until, "expiry before the latched one"

    word = reasons._with(word, reasons.AT_GUARDIAN, level, block.timestamp + duration)
    reasons.latches[asset] = word
    reasons._log_trip(asset, word, reasons.AT_GUARDIAN)
    self._push_risk(asset, word)
    self._push_vault(asset, word)


@external
def hold(asset: address, duration: uint256):
    """
    @notice See `ICircuitBreaker.hold`.
    """
    assert msg.sender == self.guardian, "caller is not guardian"
    assert duration <= MAX_HOLD, "duration above 4 hours"
    self._check_connected()
    extcall IRiskEngine(self.risk_engine).hold(asset, duration)


@external
def reset(asset: address):
    """
    @notice See `ICircuitBreaker.reset`.
    """
    packed: uint256 = reasons.latches[asset]
    word: uint256 = reasons._lift_expired(asset, packed)
    if msg.sender == self.guardian and reasons._latch(word, reasons.AT_GUARDIAN)[0] != 0:
        word = reasons._with(word, reasons.AT_GUARDIAN, 0, 0)
        log ICircuitBreaker.Reset(asset=asset, reason=reasons._reason(reasons.AT_GUARDIAN))

    if word != packed:
        # also what has merely expired: who reads the levels is then spared looking
        reasons.latches[asset] = word
        self._push_risk(asset, word)
        self._push_vault(asset, word)
    elif self.risk_engine != empty(address) and self._hold_ended(asset):
        self._push_risk(asset, word)


@external
def connect(risk_engine: address, credit_engine: address):
    """
    @notice Names the engines, once. For the owner.
    """
    ownable._check_owner()
    assert self.risk_engine == empty(address), "already connected"
    assert risk_engine.is_contract, "risk engine has no code"
    assert credit_engine.is_contract, "credit engine has no code"

    self.risk_engine = risk_engine
    self.credit_engine = credit_engine
    log ICircuitBreaker.Connect(risk_engine=risk_engine, credit_engine=credit_engine)


@external
def add_vault(vault: address):
    """
    @notice Adds the vault of an asset, which the credit engine lists, at most 32. It takes over
            what the guardian has latched. For the owner.
    """
    ownable._check_owner()
    assert vault.is_contract, "vault has no code"
    assert len(self.vaults) < MAX_VAULTS, "too many vaults"
    asset: address = staticcall IVault(vault).asset()
    assert self.vault_of[asset] == empty(address), "asset has a vault"
    self._check_connected()
    listed: address = (staticcall ICreditEngine(self.credit_engine).debt_of(asset))[1]
    assert listed == vault, "vault is not listed"

    self.vaults.append(vault)
    self.vault_of[asset] = vault
    log ICircuitBreaker.AddVault(asset=asset, vault=vault)
    if reasons._latch(reasons.latches[asset], reasons.AT_GUARDIAN)[0] != 0:
        self._push_vault(asset, reasons.latches[asset])


@external
def set_supply_limit(asset: address, limit: uint256):
    """
    @notice See `ICircuitBreaker.set_supply_limit`.
    """
    ownable._check_owner()
    self._check_listed(asset)
    supply_growth._set_limit(asset, limit)
    log ICircuitBreaker.SetSupplyLimit(asset=asset, limit=limit)


@external
def set_guardian(guardian: address):
    """
    @notice Names the guardian; zero for none. For the owner. What is latched stays.
    """
    ownable._check_owner()
    self.guardian = guardian
    log ICircuitBreaker.SetGuardian(guardian=guardian)


@view
@external
@reentrant
def supply_of(asset: address) -> ICircuitBreaker.SupplyGrowth:
    """
    @notice See `ICircuitBreaker.supply_of`.
    """
    return supply_growth._load(asset)


@view
@external
@reentrant
def settlement_of(asset: address, price: uint256) -> uint256:
    """
    @notice See `ICircuitBreaker.settlement_of`.
    """
    risk_engine: IRiskEngine = IRiskEngine(self.risk_engine)
    quote: IRiskEngine.Quote = staticcall risk_engine.quote(asset)
    assert quote.level != WIND_DOWN, "asset is settled"
    low: uint256 = 0
    high: uint256 = 0
    low, high = price_range._range(asset)
    if self.vault_of[asset] != empty(address) and quote.price != 0:
        # who borrowed it at what it costs would be under water by the settlement alone
        high = min(high, max(quote.high, quote.average))
    assert price != 0 and price >= low and price <= high, "price is out of range"
    checkpoint: uint256 = (staticcall risk_engine.words_of(asset))[2]
    return price_history._settled(checkpoint, price)


@view
@external
@reentrant
def vault_list() -> DynArray[address, MAX_VAULTS]:
    """
    @notice The vaults, in the order they were added.
    """
    return self.vaults


@internal
def _write_price(asset: address) -> uint256:
    """
    @dev Stores at the risk engine what is seen of a price now; its status.
    """
    risk_engine: IRiskEngine = IRiskEngine(self.risk_engine)
    quote: IRiskEngine.Quote = staticcall risk_engine.quote(asset)
    rule: uint256 = 0
    term: uint256 = 0
    checkpoint: uint256 = 0
    observation: uint256 = 0
    rule, term, checkpoint, observation = staticcall risk_engine.words_of(asset)
    if quote.level == WIND_DOWN:
        return quote.status
    if quote.price != 0:
        price_range._widen(asset, quote.price)
    volatility: uint256 = 0
    checkpoint, observation, volatility = price_history._poked(quote, rule, checkpoint, observation)
    extcall risk_engine.write_checkpoint(asset, checkpoint, observation)
    log ICircuitBreaker.Poke(
        asset=asset,
        price=quote.price,
        average=quote.average,
        volatility=volatility,
        status=quote.status,
    )
    return quote.status


@view
@internal
def _check_connected():
    assert self.risk_engine != empty(address), "not connected"


@view
@internal
def _check_listed(asset: address):
    self._check_connected()
    assert staticcall IRiskEngine(self.risk_engine).id_of(asset) != 0, "asset is not listed"


@view
@internal
def _hold_ended(asset: address) -> bool:
    """
    @dev Whether there was a hold, and it and its grace are over.
    """
    if staticcall IRiskEngine(self.risk_engine).id_of(asset) == 0:
        return False
    end: uint256 = (staticcall IRiskEngine(self.risk_engine).words_of(asset))[
        1
    ] >> asset_config.HOLD_END_AT & price_words.MASK_32
    return end != 0 and block.timestamp >= end + HOLD_GRACE


@view
@internal
def _check_unlocked():
    """
    @dev A view that is not reentrant reverts while its contract's lock is held.
    """
    assert self._is_unlocked(self.credit_engine), "locked"
    for vault: address in self.vaults:
        assert self._is_unlocked(vault), "locked"


@view
@internal
def _is_unlocked(target: address) -> bool:
    ok: bool = False
    answer: Bytes[32] = b""
    ok, answer = raw_call(
        target,
        method_id("is_unlocked()"),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return ok and len(answer) == 32 and convert(answer, uint256) == 1


@internal
def _push_risk(asset: address, word: uint256):
    """
    @dev Latches the highest of all reasons at the risk engine.
    """
    extcall IRiskEngine(self.risk_engine).set_level(
        asset,
        reasons._expiry(word, CAUTION),
        reasons._expiry(word, HALT),
        reasons._latch(word, reasons.AT_GUARDIAN)[1],
    )


@internal
def _push_vault(asset: address, word: uint256):
    """
    @dev Latches at the vault, if there is one, what the guardian holds and the halt for
         insolvency that it has taken before.
    """
    vault: address = self.vault_of[asset]
    if vault == empty(address):
        return
    caution_until: uint256 = 0
    halt_until: uint256 = 0
    held_until: uint256 = 0
    caution_until, halt_until, held_until = reasons._vault_levels(word, self.vault_halts[asset])
    extcall IVault(vault).set_level(caution_until, halt_until, held_until)


@internal
def _halt_vault(asset: address, vault: address, word: uint256):
    """
    @dev Latches the halt for insolvency at the vault, which may refuse it.
    """
    halt: uint256 = reasons._latch(word, reasons.AT_INSOLVENCY)[1]
    if vault == empty(address) or halt == self.vault_halts[asset]:
        return
    assert msg.gas >= VAULT_GAS, "too little gas"
    caution_until: uint256 = 0
    halt_until: uint256 = 0
    held_until: uint256 = 0
    caution_until, halt_until, held_until = reasons._vault_levels(word, halt)
    taken: bool = raw_call(
        vault,
        abi_encode(
            caution_until,
            halt_until,
            held_until,
            method_id=method_id("set_level(uint256,uint256,uint256)"),
        ),
        revert_on_failure=False,
    )
    if taken:
        self.vault_halts[asset] = halt


@pure
@internal
def _missing(wanted: uint256, found: uint256) -> uint256:
    return wanted - min(wanted, found)
