# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Configuration of a vault
@license MIT
@notice Between `VaultConfig` and the word that `LendingVault.open` and `write_config` take.
@dev    Every parameter is checked for its range. Amounts keep 16 bits, rounded down.

        LAYOUT (bits)
          0-12 reserve factor · 13-26 target utilization · 27-43 steepness [BPS]
          44-63 adjustment speed · 64-78 initial rate · 79-93 least rate · 94-108 highest rate
          [BPS a year] · 109-132 least adaptive debt · 133-156 deposit cap · 157-180 debt cap
          181-204 floor of the limits [assets, see `compact`] · 205-211 outflow limit
          212-218 growth limit [%] · 219-255 zero
        The flash fee stands beside it: it is kept with the books.
"""

from contracts.interfaces import IConfigurator
from contracts.modules import compact

MAX_AMOUNT: constant(uint256) = 2**104 - 1  # [assets]


@pure
@internal
def _pack(config: IConfigurator.VaultConfig) -> uint256:
    """
    @dev Reverts naming the parameter that is out of its range.
    """
    self._check(config.reserve_factor, 0, 5_000, "reserve factor out of range")
    self._check(config.target_utilization, 1_000, 9_900, "target out of range")
    self._check(config.steepness, 10_000, 100_000, "steepness out of range")
    self._check(config.adjustment_speed, 0, 1_000_000, "speed out of range")
    assert config.min_rate != 0 and config.max_rate <= 20_000, "rate bounds out of range"
    self._check(config.initial_rate, config.min_rate, config.max_rate, "initial rate out of range")
    self._check(config.flash_fee, 0, 100, "flash fee out of range")
    self._check(max(config.outflow_limit, config.growth_limit), 0, 100, "limit out of range")
    return (
        config.reserve_factor
        | config.target_utilization << 13
        | config.steepness << 27
        | config.adjustment_speed << 44
        | config.initial_rate << 64
        | config.min_rate << 79
        | config.max_rate << 94
        | self._encode(config.min_adaptive_debt) << 109
        | self._encode(config.deposit_cap) << 133
        | self._encode(config.debt_cap) << 157
        | self._encode(config.limit_floor) << 181
        | config.outflow_limit << 205
        | config.growth_limit << 212
    )


@pure
@internal
def _unpack(word: uint256, flash_fee: uint256) -> IConfigurator.VaultConfig:
    return IConfigurator.VaultConfig(
        reserve_factor=word & (2**13 - 1),
        target_utilization=word >> 13 & (2**14 - 1),
        steepness=word >> 27 & (2**17 - 1),
        adjustment_speed=word >> 44 & (2**20 - 1),
        initial_rate=word >> 64 & (2**15 - 1),
        min_rate=word >> 79 & (2**15 - 1),
        max_rate=word >> 94 & (2**15 - 1),
        flash_fee=flash_fee,
        min_adaptive_debt=compact._decode(word >> 109),
        deposit_cap=compact._decode(word >> 133),
        debt_cap=compact._decode(word >> 157),
        limit_floor=compact._decode(word >> 181),
        outflow_limit=word >> 205 & 127,
        growth_limit=word >> 212 & 127,
    )


@pure
@internal
def _check(given: uint256, lowest: uint256, highest: uint256, why: String[32]):
    if given < lowest or given > highest:
        raise why


@pure
@internal
def _encode(amount: uint256) -> uint256:
    return compact._encode(min(amount, MAX_AMOUNT))
