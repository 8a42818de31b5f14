// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Gates} from "./Gates.sol";
import {vm} from "./Market.sol";

// LIVE-1 to LIVE-3 and GATE-4: calls that must work, made when a sequence ends, as the fast lane makes
// them (breakwater/fuzz/trials.py).
abstract contract Trials is Gates {
    uint256 constant WETH_TAG = 1;
    uint256 constant STAMPS = 2 ** 20 - 1;
    bytes32 constant TOO_RECENT =
        keccak256(abi.encodeWithSignature("Error(string)", "price jump is too recent"));
    bytes32 constant NOTHING_OWED =
        keccak256(abi.encodeWithSignature("Error(string)", "nothing to repay"));
    bytes32 constant UNPRICED =
        keccak256(abi.encodeWithSignature("Error(string)", "collateral has no valid price"));

    // Everyone below maintenance is topped up and liquidated, one debtor is repaid and topped up, one
    // lender paid out.
    function trials() external {
        trying = true;
        uint256 turn = block.number + block.timestamp;
        for (uint256 i = 0; i < accounts.length; i++) {
            _clear(accounts[i]);
        }
        for (uint256 i = 0; i < accounts.length; i++) {
            bytes32 account_ = accounts[(turn + i) % accounts.length];
            uint256[4] memory position = engine.position_of(account_);
            if (_held(position, true) == 0) continue;
            _repayAll(account_);
            if (_held(position, false) != 0) {
                (, bytes memory why) = _topUp(account_);
                _require(why.length == 0, "LIVE-1 top up");
            }
            break;
        }
        _payOut();
        trying = false;
    }

    function _repayAll(bytes32 account_) internal {
        _note();
        vm.prank(keeper);
        try engine.repay(account_, address(usdc), type(uint256).max) {}
        catch {
            _require(false, "LIVE-1 repay");
        }
    }

    // A little more of its collateral; whether that was tried, and why it was refused.
    function _topUp(bytes32 account_) internal returns (bool tried, bytes memory why) {
        (, uint256 total, uint256 cap,) = engine.book_of(address(weth));
        uint256 room = cap > total ? cap - total : 0;
        if (room < 2 && !_isFresh(account_)) {
            room = risk.shortfall(engine.position_of(account_), WETH_TAG);
        }
        if (room < 2 || risk.quote(address(weth)).price == 0) return (false, why);
        _note();
        vm.prank(keeper);
        try engine.deposit_collateral(account_, address(weth), 1) {}
        catch (bytes memory reason) {
            why = reason.length == 0 ? bytes("no reason") : reason;
        }
        return (true, why);
    }

    function _payOut() internal {
        uint256 stop = uint256(vm.load(address(vault), stopSlot));
        if (block.timestamp < uint64(stop >> 64)) return;
        for (uint256 i = 0; i < 2; i++) {
            uint256 assets = vault.convertToAssets(vault.balanceOf(lenders[i]));
            uint256 cash = vault.cash();
            if (cash < assets) assets = cash;
            if (assets == 0) continue;
            _note();
            vm.prank(lenders[i]);
            try vault.withdraw(assets, lenders[i], lenders[i]) {}
            catch {
                _require(false, "LIVE-2");
            }
            return;
        }
    }

    // A liquidation of who is below maintenance, from the block after he raised his risk on.
    function _clear(bytes32 account_) internal {
        uint256[4] memory position = engine.position_of(account_);
        if (_held(position, true) == 0 || risk.health_of(position).healthFactor >= WAD) return;
        bool has = _held(position, false) != 0;
        if (risk.quote(address(usdc)).price == 0) return; // it waits for a price
        if (has && risk.quote(address(weth)).price == 0) return;
        bool stuck;
        if (has) {
            (bool tried, bytes memory why) = _topUp(account_);
            stuck = tried && why.length != 0;
            if (risk.health_of(engine.position_of(account_)).healthFactor >= WAD) return;
        }
        if (_isFresh(account_)) vm.roll(block.number + 1);
        _note();
        vm.prank(keeper);
        try engine.liquidate(
            account_,
            address(usdc),
            has ? address(weth) : address(usdc),
            type(uint256).max,
            0,
            keeper,
            credit, // to an account, so that no token can be in its way
            ""
        ) {
            _require(!stuck, "GATE-4");
        } catch (bytes memory why) {
            bytes32 reason = keccak256(why);
            if (reason == TOO_RECENT) return; // the stated hold
            uint256 worth = risk.health_of(engine.position_of(account_)).collateralValue;
            bool dust = worth <= DUST / 2 && (reason == NOTHING_OWED || reason == UNPRICED);
            if (!dust) _require(false, string.concat("LIVE-3 ", _reason(why)));
        }
    }

    // The text of Error(string).
    function _reason(bytes memory why) internal pure returns (string memory) {
        if (bytes4(why) != ERROR) return "no reason";
        assembly {
            mstore(add(why, 4), sub(mload(why), 4))
            why := add(why, 4)
        }
        return abi.decode(why, (string));
    }

    // Whether an account raised its risk in this block.
    function _isFresh(bytes32 account_) internal view returns (bool) {
        uint256[4] memory words = engine.words_of(account_);
        return ((words[0] >> 224) & STAMPS) == 1 + (block.number % STAMPS);
    }
}
