// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

// The small market, deployed call by call from what `benchmarks/foundry.py` exported: the very same
// creation code at the same addresses, in the same blocks.

interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function readFile(string calldata path) external view returns (string memory);
    function parseBytes(string calldata text) external pure returns (bytes memory);
    function writeLine(string calldata path, string calldata text) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function etch(address target, bytes calldata code) external;
    function prank(address sender) external;
    function warp(uint256 time) external;
    function roll(uint256 number) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
}

interface IToken {
    function balanceOf(address owner) external view returns (uint256);
}

interface IFeed {
    function set(int256 answer) external;
    function answer() external view returns (int256);
    function updated_at() external view returns (uint256);
}

interface IBreaker {
    function poke(address asset) external returns (uint256);
    function trip(address asset, uint256 level, uint256 duration) external;
    function reset(address asset) external;
}

interface IConfigurator {
    function set_borrow_ltv(address asset, uint256 ltv) external;
    function ramp_liquidation_ltv(address asset, uint256 target, uint256 duration) external;
}

interface IVault {
    function deposit(uint256 assets, address receiver) external returns (uint256);
    function withdraw(uint256 assets, address receiver, address owner) external returns (uint256);
    function balanceOf(address owner) external view returns (uint256);
    function totalSupply() external view returns (uint256);
    function totalAssets() external view returns (uint256);
    function convertToAssets(uint256 shares) external view returns (uint256);
    function maxDeposit(address owner) external view returns (uint256);
    function maxWithdraw(address owner) external view returns (uint256);
    function cash() external view returns (uint256);
    function debt_shares() external view returns (uint256);
    function debt_assets() external view returns (uint256);
    function debt_index() external view returns (uint256);
    function fee_owed() external view returns (uint256);
    function config() external view returns (uint256, uint256);
}

interface IEngine {
    function deposit_collateral(bytes32 account, address asset, uint256 amount)
        external
        returns (uint256);
    function withdraw_collateral(bytes32 account, address asset, uint256 amount, address receiver)
        external
        returns (uint256);
    function borrow(bytes32 account, address asset, uint256 amount, address receiver)
        external
        returns (uint256);
    function repay(bytes32 account, address asset, uint256 amount)
        external
        returns (uint256, uint256);
    function liquidate(
        bytes32 account,
        address debtAsset,
        address collateral,
        uint256 maxRepay,
        uint256 minSeized,
        address receiver,
        bytes32 credit,
        bytes calldata data
    ) external returns (uint256, uint256);
    function words_of(bytes32 account) external view returns (uint256[4] memory);
    function position_of(bytes32 account) external view returns (uint256[4] memory);
    function book_of(address asset) external view returns (uint256, uint256, uint256, bool);
}

interface IRisk {
    struct Health {
        uint256 healthFactor;
        uint256 collateralValue;
        uint256 debtValue;
        uint256 weightedCollateral;
        uint256 weightedDebt;
    }

    struct Margin {
        uint256 collateral;
        uint256 required;
        uint256 exposure;
        uint256 debt;
        uint256 maxLeverage;
    }

    struct Quote {
        uint256 price;
        uint256 low;
        uint256 high;
        uint256 average;
        uint256 volatility;
        uint256 updatedAt;
        uint256 status;
        uint256 level;
    }

    function quote(address asset) external view returns (Quote memory);
    function latch_of(address asset) external view returns (uint256, uint256, uint256);
    function shortfall(uint256[4] calldata position, uint256 tag) external view returns (uint256);
    function health_of(uint256[4] calldata position) external view returns (Health memory);
}

interface ILens {
    function margin_of(uint256[4] calldata position) external view returns (IRisk.Margin memory);
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

struct Call {
    bool deploys;
    address sender;
    address target;
    uint256 time;
    uint256 number;
    bytes data;
}

struct Names {
    address engine;
    address risk;
    address lens;
    address breaker;
    address vault;
    address weth;
    address usdc;
    address feed;
    address steady;
    address configurator;
    address timelock;
    address guardian;
    address[] lenders;
    address[] liquidators;
    bytes32[] accounts; // the last one is the keeper's, who tries things out
    // slots of the breaker's latches and of the levels of a vault
    uint256 latches;
    uint256 stops;
}

abstract contract Market {
    function deploy() internal returns (Names memory names) {
        bytes memory blob = vm.parseBytes(vm.readFile("build/market.hex"));
        Call[] memory calls;
        uint256 time;
        uint256 number;
        (calls, names, time, number) = abi.decode(blob, (Call[], Names, uint256, uint256));
        for (uint256 i = 0; i < calls.length; i++) {
            Call memory one = calls[i];
            vm.warp(one.time);
            vm.roll(one.number);
            bool ok;
            bytes memory answer;
            if (one.deploys) {
                // creation code runs where its contract belongs, and leaves the runtime code there
                vm.etch(one.target, one.data);
                vm.prank(one.sender);
                (ok, answer) = one.target.call("");
                vm.etch(one.target, answer);
            } else {
                vm.prank(one.sender);
                (ok, answer) = one.target.call(one.data);
            }
            require(ok, "the set-up failed");
        }
        vm.warp(time);
        vm.roll(number);
    }
}
