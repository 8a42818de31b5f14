# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Rules of vaults
@license MIT
@notice Opens, configures and ends the vaults that `Configurator` owns: see there for how far a step
        goes.
"""

from contracts.interfaces import IConfigurator
from contracts.interfaces import ILendingVault
from contracts.modules import rulebook
from contracts.modules import steps
from contracts.modules import vault_config
from ethereum.ercs import IERC20
from ethereum.ercs import IERC4626
from snekmate.auth import ownable

uses: ownable
uses: rulebook

STEPPED: constant(uint256) = 9
LIMITS: constant(uint256) = 3
RATES: constant(uint256) = 5

# By vault, when something of it was last loosened [unix seconds]
loosened_at: HashMap[address, uint256]


@external
def open_vault(vault: address, fund: address, seed: uint256, config: IConfigurator.VaultConfig):
    """
    @notice Opens a vault, once, with a seed from the owner (approve this contract). Before genesis
            is over.
    @param fund An `InsuranceFund` over the vault, which gets the seed's shares.
    @param seed [assets] above zero, at most the deposit cap. A token that takes a fee is refused.
    """
    ownable._check_owner()
    rulebook._check_genesis()
    assert staticcall IERC4626(fund).asset() == vault, "fund is of another vault"
    asset: address = staticcall IERC4626(vault).asset()
    before: uint256 = staticcall IERC20(asset).balanceOf(self)
    assert extcall IERC20(asset).transferFrom(
        msg.sender, self, seed, default_return_value=True
    ), "token transfer failed"
    assert staticcall IERC20(asset).balanceOf(self) >= before + seed, "token takes a fee"
    extcall IERC20(asset).approve(vault, seed, default_return_value=True)
    extcall ILendingVault(vault).open(fund, seed, vault_config._pack(config), config.flash_fee)
    log IConfigurator.SetVault(vault=vault, config=config)


@external
def set_vault(vault: address, config: IConfigurator.VaultConfig):
    """
    @notice Everything that an owner sets for a vault. What is a step, all of it is one.
            `initial_rate` changes nothing after the opening.
    """
    ownable._check_owner()
    word: uint256 = vault_config._pack(config)
    if rulebook.sealed_at != 0 and self._is_step(vault, word):
        steps._check_due(self._next_step(vault))
        self.loosened_at[vault] = block.timestamp
    extcall ILendingVault(vault).write_config(word, config.flash_fee)
    log IConfigurator.SetVault(vault=vault, config=config)


@external
def wind_down_vault(vault: address):
    """
    @notice Ends a vault, for good; see `ILendingVault.wind_down`. No more of its shares comes into
            any account.
    """
    ownable._check_owner()
    extcall ILendingVault(vault).wind_down()
    # else they would be bought for what they will be paid, and added at what they claim
    extcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).end_collateral(vault)


@view
@external
def vault_config_of(vault: address) -> IConfigurator.VaultConfig:
    """
    @notice The configuration of a vault as it is kept; zeros before it is open.
    """
    return self._config_of(vault)


@view
@external
def next_vault_step(vault: address) -> uint256:
    """
    @notice When the next step of a vault's configuration may come [unix seconds].
    """
    return self._next_step(vault)


@view
@internal
def _next_step(vault: address) -> uint256:
    return self.loosened_at[vault] + steps.INTERVAL


@view
@internal
def _is_step(vault: address, word: uint256) -> bool:
    """
    @dev Whether a configuration loosens that which is kept; reverts where by more than a step.
    """
    before: uint256[STEPPED] = self._stepped(self._config_of(vault))
    after: uint256[STEPPED] = self._stepped(vault_config._unpack(word, 0))
    found: bool = False
    for i: uint256 in range(STEPPED):
        old: uint256 = before[i]
        new: uint256 = after[i]
        if i < LIMITS:
            if new > old:
                found = True
                if new > 2 * old:
                    asset: address = staticcall IERC4626(vault).asset()
                    rulebook._check_step(rulebook._is_first(asset, new))
        elif i < RATES:
            if rulebook._is_looser(old, new):
                found = True
                rulebook._check_limit(old, new)
        elif new != old:
            found = True
            rulebook._check_twice(old, new)
    return found


@pure
@internal
def _stepped(config: IConfigurator.VaultConfig) -> uint256[STEPPED]:
    """
    @dev What goes by steps: amounts, from LIMITS on limits where 0 is none, from RATES on what
         moves the rate.
    """
    return [
        config.deposit_cap,
        config.debt_cap,
        config.limit_floor,
        config.outflow_limit,
        config.growth_limit,
        config.target_utilization,
        config.steepness,
        config.min_rate,
        config.max_rate,
    ]


@view
@internal
def _config_of(vault: address) -> IConfigurator.VaultConfig:
    word: uint256 = 0
    flash_fee: uint256 = 0
    word, flash_fee = staticcall ILendingVault(vault).config()
    return vault_config._unpack(word, flash_fee)
