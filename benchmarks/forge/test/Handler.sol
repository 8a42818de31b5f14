// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Gates} from "./Gates.sol";
import {IFeed, IRisk, Names, Vm, vm} from "./Market.sol";
import {Trials} from "./Trials.sol";

// One bounded action a call; it reverts where the protocol does. Amounts come from what the state
// allows, and sometimes go beyond; where an action has nothing to work on, its opposite is done
// instead. With `checked`, each keeps what the promises about a single call need and judges it;
// `broken` says which promise fell first.
contract Handler is Trials {
    bytes32 constant WRITE_OFF = keccak256("WriteOff(uint256,uint256,uint256,uint256,uint256)");

    bytes32[] hashes; // of the words of each account, after the last call

    // as of before the call
    uint256 oldAssets;
    uint256 oldShares;
    uint256 oldIndex;
    uint256 oldWorth;
    address actor;
    bytes32 account;

    constructor(Names memory names, bool checked_, bool counts_) Gates(names, checked_, counts_) {}

    // Accounts of borrowers hold collateral and owe, some nearly all they may: for the set-up.
    function open() external {
        for (uint256 i = 0; i < accounts.length; i++) {
            address owner = _owner(accounts[i]);
            if (i % 4 == 3 || weth.balanceOf(owner) < 5e18) continue;
            vm.prank(owner);
            engine.deposit_collateral(accounts[i], address(weth), 5e18);
            vm.prank(owner);
            engine.borrow(accounts[i], address(usdc), 4_000e6 + 1_500e6 * (i % 4), owner);
        }
        for (uint256 i = 0; i < accounts.length; i++) {
            hashes.push(keccak256(abi.encode(engine.words_of(accounts[i]))));
        }
        // nobody's risk is of the block in which the calls begin
        vm.warp(block.timestamp + 12);
        vm.roll(block.number + 1);
    }

    // ---------------------------------------------------------------- actions

    function deposit(uint256 who, uint256 seed) external {
        _deposit(lenders[who % lenders.length], seed);
    }

    function withdraw(uint256 who, uint256 seed) external {
        address lender = lenders[who % lenders.length];
        uint256 limit = vault.maxWithdraw(lender);
        if (limit == 0) return _deposit(lender, seed);
        _begin(lender, 0);
        uint256 amount = _amount(seed, limit);
        _act();
        uint256 shares = vault.withdraw(amount, actor, actor);
        if (!checked) return;
        _require(shares * oldAssets >= amount * oldShares, "SOLV-10 withdraw");
        _open(1);
        _end();
    }

    function addCollateral(uint256 which, uint256 seed) external {
        _add(accounts[which % accounts.length], seed);
    }

    function withdrawCollateral(uint256 which, uint256 seed) external {
        bytes32 account_ = _having(which, false);
        if (account_ == 0) return _add(accounts[which % accounts.length], seed);
        uint256[4] memory position = engine.position_of(account_);
        uint256 free = _held(position, false);
        if (_held(position, true) != 0) {
            IRisk.Margin memory margin = lens.margin_of(position);
            if (margin.collateral <= margin.required) return _add(account_, seed);
            free = (free * (margin.collateral - margin.required)) / margin.collateral;
        }
        _begin(_owner(account_), account_);
        uint256 amount = _amount(seed, free);
        _act();
        engine.withdraw_collateral(account, address(weth), amount, actor);
        if (!checked) return;
        _margin(address(weth));
        _end();
    }

    function borrow(uint256 which, uint256 seed) external {
        bytes32 account_ = accounts[which % accounts.length];
        uint256 limit = _credit(account_);
        // the least debt is met by what is owed or by what is borrowed
        uint256 least = _held(engine.words_of(account_), true) == 0 ? LEAST : 0;
        if (limit <= least) return _add(account_, seed);
        _begin(_owner(account_), account_);
        _borrow(least + _amount(seed, limit - least));
        if (checked) _end();
    }

    function repay(uint256 which, uint256 seed) external {
        bytes32 account_ = _having(which, true);
        if (account_ == 0) return _add(accounts[which % accounts.length], seed);
        _begin(_owner(account_), account_);
        uint256 owed = _held(engine.position_of(account), true);
        // all of it, or what leaves the least debt
        uint256 amount = seed % 8 == 0 || owed <= LEAST ? owed : _amount(seed, owed - LEAST);
        _act();
        try engine.repay(account, address(usdc), amount) returns (uint256 paid, uint256 shares) {
            if (!checked) return;
            _require(paid * RAY >= shares * oldIndex, "SOLV-10 repay");
            _end();
        } catch (bytes memory why) {
            _refused(why);
        }
    }

    function liquidate(uint256 who, uint256 which, uint256 seed) external {
        bytes32 account_ = _having(which, true);
        if (account_ == 0) return _add(accounts[which % accounts.length], seed);
        // forge likes seeds at the ends of their range; what hangs on single bits must not
        seed = uint256(keccak256(abi.encode(seed)));
        // sometimes in the very block in which the owner raises his risk
        if (seed % 16 == 15) {
            uint256 room = _credit(account_) / 2;
            _begin(_owner(account_), account_);
            if (room != 0) _borrow(room);
        } else {
            vm.warp(block.timestamp + 12);
            vm.roll(block.number + 1);
        }
        _weaken(account_, seed);
        _begin(liquidators[who % liquidators.length], account_);
        IRisk.Health memory old;
        bool fresh;
        if (checked) {
            old = risk.health_of(engine.position_of(account));
            fresh = _isFresh(account);
            vm.recordLogs();
        }
        uint256 amount = seed & 16 == 0
            ? type(uint256).max
            : _amount(seed / 32, _held(engine.position_of(account), true));
        _act();
        try engine.liquidate(account, address(usdc), address(weth), amount, 0, actor, 0, "") {}
        catch (bytes memory why) {
            return _refused(why);
        }
        if (!checked) return;
        _require(old.healthFactor < WAD && !fresh, "SOLV-6");
        uint256 loss = _losses();
        if (old.collateralValue * WAD > old.debtValue * (WAD + TIP)) {
            IRisk.Health memory now_ = risk.health_of(engine.position_of(account));
            if (now_.debtValue != 0) {
                uint256 slack = (old.healthFactor * DUST) / now_.debtValue + 1;
                _require(now_.healthFactor + slack >= old.healthFactor, "SOLV-7 health");
            }
            _require(
                (now_.collateralValue + 2 * DUST) * WAD >= now_.debtValue * (WAD + TIP),
                "SOLV-7 collateral"
            );
        }
        // its liquidator may gain, and its owner too where he is the liquidator
        oldWorth = 0;
        _endWith(loss);
    }

    function setPrice(uint256 seed) external {
        uint256[9] memory moves =
            [uint256(4_000), 7_000, 9_000, 9_700, 10_000, 10_300, 11_000, 15_000, 25_000];
        uint256 price = (_price() * moves[seed % 9]) / 10_000;
        if (price < 100e8) price = 100e8;
        if (price > 40_000e8) price = 40_000e8;
        // forge-lint: disable-next-line(unsafe-typecast)
        _set(feed, int256(price));
    }

    function passTime(uint256 seed) external {
        uint256[6] memory spans = [uint256(1), 12, 60, 600, 3_600, 86_400];
        vm.warp(block.timestamp + spans[seed % 6]);
        vm.roll(block.number + 1);
        // feeds of a live market answer again
        if (seed % 5 != 0) {
            _set(feed, feed.answer());
            _set(steady, 1e8);
        }
    }

    function poke(uint256 seed) external {
        _poke(seed % 2 == 0 ? address(weth) : address(usdc));
    }

    // The guardian or the owner acts, as seldom as in the fast lane; else a poke.
    function govern(uint256 seed) external {
        seed = uint256(keccak256(abi.encode(seed)));
        address asset = seed & 1 == 0 ? address(weth) : address(usdc);
        uint256 kind = (seed >> 1) % 16;
        if (kind < 8) _poke(asset);
        else if (kind < 14) _guard(asset, seed >> 8);
        else _rule(seed >> 8);
    }

    // ---------------------------------------------------------------- parts of actions

    // What comes next is a call of the actor.
    function _act() internal {
        _note();
        vm.prank(actor);
    }

    function _set(IFeed source, int256 answer) internal {
        _note();
        source.set(answer);
    }

    function _deposit(address lender, uint256 seed) internal {
        _begin(lender, 0);
        uint256 limit = vault.maxDeposit(actor);
        uint256 has = usdc.balanceOf(actor);
        uint256 amount = _amount(seed, limit < has ? limit : has);
        _act();
        uint256 shares = vault.deposit(amount, actor);
        if (!checked) return;
        _require(amount * oldShares >= shares * oldAssets, "SOLV-10 deposit");
        _open(1);
        uint256 cap = _kept(133);
        _require(vault.cash() + vault.debt_assets() <= cap, "CAP-1 deposit");
        _end();
    }

    function _add(bytes32 account_, uint256 seed) internal {
        _begin(_owner(account_), account_);
        // not all at once: there are others to come
        uint256 has = weth.balanceOf(actor);
        uint256 amount = _amount(seed, has < 20e18 ? has : 20e18);
        _act();
        engine.deposit_collateral(account, address(weth), amount);
        if (!checked) return;
        (, uint256 held, uint256 cap,) = engine.book_of(address(weth));
        _require(held <= cap, "CAP-1 collateral");
        _end();
    }

    function _borrow(uint256 amount) internal {
        _act();
        uint256 shares = engine.borrow(account, address(usdc), amount, actor);
        if (!checked) return;
        _require(shares != 0 && shares * oldIndex >= amount * RAY, "SOLV-10 borrow");
        uint256 cap = _kept(157);
        _require(vault.debt_assets() <= cap, "CAP-1 borrow");
        _open(0);
        _margin(address(usdc));
    }

    // The price moves to where the account is just below maintenance, or further, or just not.
    // One that is below already is mostly left as it is. Two pokes, a minute apart, confirm a jump;
    // ten minutes later a loss may be booked at it.
    function _weaken(bytes32 account_, uint256 seed) internal {
        uint256 health = risk.health_of(engine.position_of(account_)).healthFactor;
        if (health == 0 || (health < WAD && seed % 4 != 0)) return;
        uint256[8] memory targets =
            [WAD + 1e9, WAD - 1e9, WAD - 1e15, WAD - 1e15, WAD - 1e16, WAD - 5e16, 0.8e18, 0.6e18];
        uint256 price = (_price() * targets[(seed / 64) % 8]) / health;
        if (price == 0) price = 1;
        bool jumps = price * 2 < _price();
        // forge-lint: disable-next-line(unsafe-typecast)
        _set(feed, int256(price));
        if (!jumps || seed % 8 == 7) return;
        _poke(address(weth));
        vm.warp(block.timestamp + (seed & 32 == 0 ? 61 : 661));
        vm.roll(block.number + 5);
        _poke(address(weth));
    }

    // What initial margin and cash let an account borrow.
    function _credit(bytes32 account_) internal view returns (uint256) {
        IRisk.Margin memory margin = lens.margin_of(engine.position_of(account_));
        if (margin.collateral <= margin.required) return 0;
        uint256 room = (margin.collateral - margin.required) / 1e12;
        uint256 cash = vault.cash();
        return room < cash ? room : cash;
    }

    // The first account from `which` on that owes, or holds collateral; 0: none does.
    function _having(uint256 which, bool debt) internal view returns (bytes32) {
        for (uint256 i = 0; i < accounts.length; i++) {
            bytes32 found = accounts[(which % accounts.length + i) % accounts.length];
            if (_held(engine.words_of(found), debt) != 0) return found;
        }
        return 0;
    }

    // An amount of the vault's configuration, see vault_config.vy.
    function _kept(uint256 at) internal view returns (uint256) {
        (uint256 word,) = vault.config();
        uint256 code = word >> at;
        return (code & 65_535) << ((code >> 16) & 255);
    }

    // ---------------------------------------------------------------- promises

    // Those about the books alone, after every call.
    function check() external {
        uint256 cash = vault.cash();
        (, uint256 held,,) = engine.book_of(address(weth));
        _require(usdc.balanceOf(address(vault)) >= cash, "SOLV-1 vault");
        _require(weth.balanceOf(address(engine)) >= held, "SOLV-1 engine");
        uint256 claims = vault.convertToAssets(vault.totalSupply());
        _require(cash + vault.debt_assets() >= claims + vault.fee_owed(), "SOLV-2");
    }

    // Those about all accounts, in one pass after a call that was not refused; a refused one, a price
    // or time changes none.
    function _books() internal {
        uint256 shares;
        uint256 collateral;
        for (uint256 i = 0; i < accounts.length; i++) {
            uint256[4] memory words = engine.words_of(accounts[i]);
            bytes32 hash = keccak256(abi.encode(words));
            if (hash != hashes[i]) {
                _require(accounts[i] == account, "SOLV-11");
                hashes[i] = hash;
            }
            for (uint256 leg = 0; leg < 8; leg++) {
                uint256 tag = (words[leg / 2] >> (208 + 8 * (leg % 2))) & 255;
                if (tag == 0) break;
                uint256 amount = (words[leg / 2] >> (104 * (leg % 2))) & (2 ** 104 - 1);
                _require(amount != 0, "SOLV-3 empty leg");
                if (tag >= 128) shares += amount;
                else collateral += amount;
            }
        }
        (, uint256 held,,) = engine.book_of(address(weth));
        _require(shares == vault.debt_shares(), "SOLV-3 debt");
        _require(collateral == held, "SOLV-3 collateral");
    }

    function _begin(address actor_, bytes32 account_) internal {
        actor = actor_;
        account = account_;
        if (!checked) return;
        oldAssets = vault.totalAssets() + 1;
        oldShares = vault.totalSupply() + 1e6;
        oldIndex = vault.debt_index();
        oldWorth = _worth();
    }

    function _end() internal {
        _endWith(0);
    }

    function _endWith(uint256 loss) internal {
        uint256 assets = vault.totalAssets() + 1;
        uint256 shares = vault.totalSupply() + 1e6;
        if (loss == 0) {
            _require(assets * oldShares >= oldAssets * shares, "SOLV-4 share");
        } else {
            uint256 due = (oldAssets * shares) / oldShares;
            uint256 fall = due > assets ? due - assets : 0;
            _require(fall <= loss + 4 && loss <= fall + 4, "SOLV-4 loss");
        }
        // interest of this block was due before the call
        _require(vault.debt_index() == oldIndex, "SOLV-4 index");
        if (oldWorth != 0) _require(_worth() <= oldWorth + DUST, "SOLV-8");
        _books();
    }

    // Of who has just raised his risk by an asset.
    function _margin(address asset) internal {
        uint256[4] memory position = engine.position_of(account);
        IRisk.Margin memory margin = lens.margin_of(position);
        if (margin.debt == 0) return;
        _normal(asset);
        _require(margin.collateral >= margin.required, "SOLV-5 margin");
        _require(
            margin.exposure * WAD <= (margin.exposure - margin.debt) * margin.maxLeverage,
            "SOLV-5 leverage"
        );
    }

    // Of booked losses, from their events; what lenders lost.
    function _losses() internal returns (uint256 lost) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].topics[0] != WRITE_OFF) continue;
            (, uint256 loss, uint256 ofFund, uint256 ofLenders,) =
                abi.decode(logs[i].data, (uint256, uint256, uint256, uint256, uint256));
            _require(loss == ofFund + ofLenders, "SOLV-9");
            lost += ofLenders;
        }
    }

    // [WAD] of the actor and the account he acts for.
    function _worth() internal view returns (uint256 worth) {
        worth = (weth.balanceOf(actor) * _price()) / 1e8;
        worth += (usdc.balanceOf(actor) + vault.convertToAssets(vault.balanceOf(actor))) * 1e12;
        if (account == 0) return worth;
        uint256[4] memory position = engine.position_of(account);
        uint256 has = (_held(position, false) * _price()) / 1e8;
        uint256 owes = _held(position, true) * 1e12;
        if (has > owes) worth += has - owes;
    }

    // [1e8] of WETH, in USDC.
    function _price() internal view returns (uint256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint256(feed.answer());
    }

    function _amount(uint256 seed, uint256 limit) internal pure returns (uint256) {
        uint256 kind = seed % 8;
        if (kind == 0) return limit;
        if (kind == 1) return limit / 2;
        if (kind == 2) return 1;
        if (kind == 3 && limit != 0) return limit - 1;
        if (kind == 4) return limit + 1;
        if (kind == 5) return 2 * limit + 1;
        if (kind == 6) return type(uint104).max;
        return limit == 0 ? 0 : (seed / 8) % limit;
    }
}
