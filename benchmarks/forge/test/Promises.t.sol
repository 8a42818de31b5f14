// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Handler} from "./Handler.sol";
import {Market} from "./Market.sol";

abstract contract Base is Market {
    Handler handler;

    function start(bool checked, bool counts) internal {
        handler = new Handler(deploy(), checked, counts);
        handler.open();
    }

    function targetContracts() external view returns (address[] memory found) {
        found = new address[](1);
        found[0] = address(handler);
    }

    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (Selectors[] memory found) {
        bytes4[] memory list = new bytes4[](11);
        list[0] = Handler.deposit.selector;
        list[1] = Handler.withdraw.selector;
        list[2] = Handler.addCollateral.selector;
        list[3] = Handler.withdrawCollateral.selector;
        list[4] = Handler.borrow.selector;
        list[5] = Handler.repay.selector;
        list[6] = Handler.liquidate.selector;
        list[7] = Handler.setPrice.selector;
        list[8] = Handler.passTime.selector;
        list[9] = Handler.poke.selector;
        list[10] = Handler.govern.selector;
        found = new Selectors[](1);
        found[0] = Selectors(address(handler), list);
    }
}

contract Empty is Base {
    function setUp() external {
        start(false, false);
    }

    function invariant_nothing() external view {}
}

contract Counting is Base {
    function setUp() external {
        start(false, true);
    }

    function invariant_nothing() external view {}

    function afterInvariant() external {
        handler.trials();
    }
}

contract Promises is Base {
    function setUp() external {
        start(true, false);
    }

    function invariant_promises() external {
        handler.check();
        hold();
    }

    // when a sequence ends
    function afterInvariant() external {
        handler.trials();
        hold();
    }

    function hold() internal view {
        string memory broken = handler.broken();
        require(bytes(broken).length == 0, broken);
    }
}
