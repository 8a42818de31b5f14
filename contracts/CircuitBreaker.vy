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
        A poke that finds all well shortens nothing. The engine's latch of an asset is the highest
        of its reasons; its vault's is the guardian's alone, since prices don't halt lenders.

        BUDGET
        Where a latch acts, what the guardian holds covers at most 7 days in any 30 (see `latch`);
        a trip beyond that is refused. Sensors spend none of it: they end with their cause.

        LIVENESS
        Anyone may poke and lift what has expired; expiry needs nobody. A poke reverts while the
        lock of the credit engine or of a vault is held, so no price is stored in mid-call.
        A push that a vault or the engine refuses reverts the call.

        ROLES
        owner     connects the engines once, adds vaults, names the guardian; it has no say in
                  latches
        guardian  raises and extends its own latches, and lifts them early; no other's
"""

from contracts.interfaces import ICircuitBreaker
from contracts.interfaces import IRiskEngine

implements: ICircuitBreaker


# Ownership can be handed on, but not given up: `renounce_ownership` is not exported.
from snekmate.auth import ownable

initializes: ownable

exports: (
    ownable.owner,
    ownable.transfer_ownership,
)


interface IVault:
    def asset() -> address: view
    def set_level(caution_until: uint256, halt_until: uint256, held_until: uint256): nonpayable


CAUTION: constant(uint256) = 1
HALT: constant(uint256) = 2

# Status of a price
JUMP: constant(uint256) = 1
DISPERSED: constant(uint256) = 2
STALE: constant(uint256) = 3

# Positions of the latches in their word, in the order of ICircuitBreaker.Reason
AT_PRICE_JUMP: constant(uint256) = 0
AT_DISPERSION: constant(uint256) = 1
AT_STALE: constant(uint256) = 2
AT_GUARDIAN: constant(uint256) = 3
REASONS: constant(uint256) = 4

COOL_DOWN: constant(uint256) = 1_800
STALE_DELAY: constant(uint256) = 900
STALE_HALT: constant(uint256) = 3_600
MAX_DURATION: constant(uint256) = 7 * 86_400
MAX_VAULTS: constant(uint256) = 32

LATCH_BITS: constant(uint256) = 42
LATCH_MASK: constant(uint256) = 2**42 - 1
UNTIL_MASK: constant(uint256) = 2**40 - 1
STALE_SHIFT: constant(uint256) = 168
LATCHES_MASK: constant(uint256) = 2**168 - 1

risk_engine: public(address)
credit_engine: public(address)
guardian: public(address)
vaults: DynArray[address, MAX_VAULTS]
vault_of: public(HashMap[address, address])  # by asset
# four latches of 42 bits (until [unix seconds] 40, level 2), then, from bit 168, the time of the
# first of the pokes in a row that found no price [unix seconds]
latches: HashMap[address, uint256]


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
    assert self.risk_engine != empty(address), "not connected"
    self._check_unlocked()
    status: uint256 = extcall IRiskEngine(self.risk_engine).poke(asset)

    packed: uint256 = self.latches[asset]
    word: uint256 = self._lift_expired(asset, packed)
    stale_since: uint256 = word >> STALE_SHIFT
    if status != STALE:
        stale_since = 0
    elif stale_since == 0:
        stale_since = block.timestamp
    word = word & LATCHES_MASK | stale_since << STALE_SHIFT

    latched: uint256 = word
    if status == JUMP:
        latched = self._extended(word, AT_PRICE_JUMP, CAUTION, COOL_DOWN)
    elif status == DISPERSED:
        latched = self._extended(word, AT_DISPERSION, CAUTION, COOL_DOWN)
    elif status == STALE and block.timestamp - stale_since >= STALE_DELAY:
        latched = self._extended(word, AT_STALE, HALT, STALE_HALT)

    tripped: bool = latched != word
    if latched != packed:
        self.latches[asset] = latched
    if tripped:
        # the statuses are in the order of the sensors' latches
        self._log_trip(asset, latched, status - 1)
        self._push_risk(asset, latched)
    return status


@external
def trip(asset: address, level: uint256, duration: uint256):
    """
    @notice See `ICircuitBreaker.trip`.
    """
    assert msg.sender == self.guardian, "caller is not guardian"
    assert level == CAUTION or level == HALT, "level must be 1 or 2"
    assert duration != 0, "duration is zero"
    assert duration <= MAX_DURATION, "duration above 7 days"
    assert self.risk_engine != empty(address), "not connected"
    assert staticcall IRiskEngine(self.risk_engine).id_of(asset) != 0, "asset is not listed"

    word: uint256 = self._lift_expired(asset, self.latches[asset])
    held: uint256 = 0
    until: uint256 = 0
    held, until = self._latch(word, AT_GUARDIAN)
    assert level >= held, "level below the latched one"
    assert block.timestamp + duration >= until, "expiry before the latched one"

    word = self._with(word, AT_GUARDIAN, level, block.timestamp + duration)
    self.latches[asset] = word
    self._log_trip(asset, word, AT_GUARDIAN)
    self._push_risk(asset, word)
    self._push_vault(self.vault_of[asset], word)


@external
def reset(asset: address):
    """
    @notice See `ICircuitBreaker.reset`.
    """
    packed: uint256 = self.latches[asset]
    word: uint256 = self._lift_expired(asset, packed)
    if msg.sender == self.guardian and self._latch(word, AT_GUARDIAN)[0] != 0:
        word = self._with(word, AT_GUARDIAN, 0, 0)
        log ICircuitBreaker.Reset(asset=asset, reason=self._reason(AT_GUARDIAN))

    if word != packed:
        # also what has merely expired: who reads the levels is then spared looking
        self.latches[asset] = word
        self._push_risk(asset, word)
        self._push_vault(self.vault_of[asset], word)


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
    @notice Adds the vault of an asset, at most 32. It takes over what the guardian has latched.
            For the owner.
    """
    ownable._check_owner()
    assert vault.is_contract, "vault has no code"
    assert len(self.vaults) < MAX_VAULTS, "too many vaults"
    asset: address = staticcall IVault(vault).asset()
    assert self.vault_of[asset] == empty(address), "asset has a vault"

    self.vaults.append(vault)
    self.vault_of[asset] = vault
    log ICircuitBreaker.AddVault(asset=asset, vault=vault)
    if self._latch(self.latches[asset], AT_GUARDIAN)[0] != 0:
        self._push_vault(vault, self.latches[asset])


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
def level_of(asset: address) -> uint256:
    """
    @notice See `ICircuitBreaker.level_of`.
    """
    word: uint256 = self.latches[asset]
    if self._expiry(word, HALT) > block.timestamp:
        return HALT
    if self._expiry(word, CAUTION) > block.timestamp:
        return CAUTION
    return 0


@view
@external
@reentrant
def latch_of(asset: address, reason: ICircuitBreaker.Reason) -> (uint256, uint256):
    """
    @notice See `ICircuitBreaker.latch_of`.
    """
    for i: uint256 in range(REASONS):
        if reason == self._reason(i):
            return self._latch(self.latches[asset], i)
    raise "one reason at a time"


@view
@external
@reentrant
def stale_since(asset: address) -> uint256:
    """
    @notice When the first of the pokes in a row that found no price was made; 0 for none.
    """
    return self.latches[asset] >> STALE_SHIFT


@view
@external
@reentrant
def vault_list() -> DynArray[address, MAX_VAULTS]:
    """
    @notice The vaults, in the order they were added.
    """
    return self.vaults


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
def _lift_expired(asset: address, packed: uint256) -> uint256:
    """
    @dev `packed` without the latches that have expired, each of which is logged.
    """
    word: uint256 = packed
    for i: uint256 in range(REASONS):
        bits: uint256 = packed >> (LATCH_BITS * i) & LATCH_MASK
        if bits != 0 and bits & UNTIL_MASK <= block.timestamp:
            word = self._with(word, i, 0, 0)
            log ICircuitBreaker.Reset(asset=asset, reason=self._reason(i))
    return word


@internal
def _push_risk(asset: address, word: uint256):
    """
    @dev Latches the highest of all reasons at the risk engine.
    """
    extcall IRiskEngine(self.risk_engine).set_level(
        asset,
        self._expiry(word, CAUTION),
        self._expiry(word, HALT),
        self._latch(word, AT_GUARDIAN)[1],
    )


@internal
def _push_vault(vault: address, word: uint256):
    """
    @dev Latches what the guardian holds at the vault, if there is one.
    """
    if vault == empty(address):
        return
    level: uint256 = 0
    until: uint256 = 0
    level, until = self._latch(word, AT_GUARDIAN)
    extcall IVault(vault).set_level(
        until if level == CAUTION else 0, until if level == HALT else 0, until
    )


@internal
def _log_trip(asset: address, word: uint256, at: uint256):
    level: uint256 = 0
    until: uint256 = 0
    level, until = self._latch(word, at)
    log ICircuitBreaker.Trip(asset=asset, reason=self._reason(at), level=level, until=until)


@view
@internal
def _extended(word: uint256, at: uint256, level: uint256, duration: uint256) -> uint256:
    """
    @dev `word` with a sensor's latch set, never to an earlier expiry.
    """
    until: uint256 = block.timestamp + duration
    return self._with(word, at, level, max(self._latch(word, at)[1], until))


@view
@internal
def _expiry(word: uint256, level: uint256) -> uint256:
    """
    @dev The latest expiry of a latch of exactly this level, 0 for none [unix seconds].
    """
    latest: uint256 = 0
    for i: uint256 in range(REASONS):
        bits: uint256 = word >> (LATCH_BITS * i) & LATCH_MASK
        if bits >> 40 == level:
            latest = max(latest, bits & UNTIL_MASK)
    return latest


@view
@internal
def _latch(word: uint256, at: uint256) -> (uint256, uint256):
    """
    @dev Level and expiry of one latch; zeros once expired.
    """
    bits: uint256 = word >> (LATCH_BITS * at) & LATCH_MASK
    if bits & UNTIL_MASK <= block.timestamp:
        return 0, 0
    return bits >> 40, bits & UNTIL_MASK


@pure
@internal
def _with(word: uint256, at: uint256, level: uint256, until: uint256) -> uint256:
    """
    @dev `word` with one latch replaced.
    """
    lowest: uint256 = LATCH_BITS * at
    return word & ~(LATCH_MASK << lowest) | (level << 40 | until) << lowest


@pure
@internal
def _reason(at: uint256) -> ICircuitBreaker.Reason:
    """
    @dev The flag's members are the powers of two, in the order of the latches.
    """
    return convert(1 << at, ICircuitBreaker.Reason)
