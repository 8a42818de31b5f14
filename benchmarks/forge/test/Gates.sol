// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    IBreaker,
    IConfigurator,
    IEngine,
    IFeed,
    ILens,
    IRisk,
    IToken,
    IVault,
    Names,
    vm
} from "./Market.sol";

// The market as the handler sees it; GATE-1 to GATE-3 and LIVE-4, of pokes and of what the guardian
// and the owner do.
abstract contract Gates {
    uint256 constant WAD = 1e18;
    uint256 constant RAY = 1e27;
    uint256 constant TIP = 0.005e18;
    uint256 constant DUST = 4e12; // [WAD] a few units of USDC
    uint256 constant LEAST = 100e6; // [USDC] smallest debt of the small market
    uint256 constant MAX_AGE = 86_400; // [s] of an answer
    uint256 constant BAND = 6_000; // [bps] from the average; beyond it a price has jumped
    uint256 constant HOLD = 7 days;
    uint256 constant UNTIL = 2 ** 34 - 1; // of a latch: until when, below its level
    // latches in the order of the breaker's reasons
    uint256 constant PRICE_JUMP = 0;
    uint256 constant STALE = 2;
    uint256 constant GUARDIAN = 3;
    uint256 constant REASONS = 6;
    // of a price
    uint256 constant VALID = 0;
    uint256 constant JUMPS = 1;
    uint256 constant MISSING = 3;

    bytes4 constant ERROR = 0x08c379a0; // Error(string)

    struct Hold {
        uint256 start;
        uint256 end;
    }

    IEngine immutable engine;
    IRisk immutable risk;
    ILens immutable lens;
    IBreaker immutable breaker;
    IVault immutable vault;
    IToken immutable weth;
    IToken immutable usdc;
    IFeed immutable feed;
    IFeed immutable steady;
    IConfigurator immutable configurator;
    address immutable timelock;
    address immutable guardian;
    address immutable keeper;
    bytes32 immutable credit; // the keeper's account, of which nothing else is asked
    uint256 immutable latchesSlot;
    bytes32 immutable stopSlot;
    bool immutable checked;
    bool immutable counts; // the calls of the market that are made
    address[] lenders;
    address[] liquidators;
    bytes32[] accounts;

    string public broken;
    bool trying; // the calls that are made are trials

    mapping(address => uint256) silent; // since when pokes find no price
    mapping(address => Hold[]) holds; // what a guardian held

    constructor(Names memory names, bool checked_, bool counts_) {
        engine = IEngine(names.engine);
        risk = IRisk(names.risk);
        lens = ILens(names.lens);
        breaker = IBreaker(names.breaker);
        vault = IVault(names.vault);
        weth = IToken(names.weth);
        usdc = IToken(names.usdc);
        feed = IFeed(names.feed);
        steady = IFeed(names.steady);
        configurator = IConfigurator(names.configurator);
        timelock = names.timelock;
        guardian = names.guardian;
        credit = names.accounts[names.accounts.length - 1];
        keeper = _owner(credit);
        latchesSlot = names.latches;
        stopSlot = _mapped(names.stops, names.vault);
        checked = checked_;
        counts = counts_;
        lenders = names.lenders;
        liquidators = names.liquidators;
        accounts = names.accounts;
        accounts.pop();
    }

    // ---------------------------------------------------------------- acts

    // What a sensor finds is latched at once.
    function _poke(address asset) internal {
        _note();
        uint256 old = checked ? _latches(asset) : 0;
        uint256 status = checked ? _status(asset) : VALID;
        try breaker.poke(asset) {}
        catch (bytes memory why) {
            return _refused(why);
        }
        if (!checked) return;
        uint256 word = _latches(asset);
        if (status == JUMPS) _tightened(word, PRICE_JUMP, 1, 30 minutes);
        if (status != MISSING) {
            if (silent[asset] != 0) silent[asset] = 0;
        } else if (silent[asset] == 0) {
            silent[asset] = block.timestamp;
        } else if (block.timestamp - silent[asset] >= 15 minutes) {
            _tightened(word, STALE, 2, 1 hours);
        }
        _latched(asset, old, word);
    }

    function _guard(address asset, uint256 seed) internal {
        uint256 old = checked ? _latches(asset) : 0;
        _note();
        if (seed % 8 < 5) {
            uint256[4] memory spans = [uint256(1 hours), 1 days, HOLD, HOLD + 1];
            vm.prank(guardian);
            breaker.trip(asset, 1 + (seed / 8) % 2, spans[(seed / 16) % 4]);
        } else {
            vm.prank(seed % 8 < 7 ? guardian : keeper);
            breaker.reset(asset);
        }
        if (checked) _latched(asset, old, _latches(asset));
    }

    // GATE-3: who was healthy before the owner's change is so after it.
    function _rule(uint256 seed) internal {
        uint256 healthy = checked ? _healthy(type(uint256).max) : 0;
        _note();
        vm.prank(timelock);
        if (seed % 2 == 0) {
            uint256[5] memory ltvs = [uint256(0), 3_000, 5_000, 7_000, 7_800];
            configurator.set_borrow_ltv(address(weth), ltvs[(seed / 2) % 5]);
        } else {
            uint256[4] memory targets = [uint256(4_000), 6_000, 7_500, 8_500];
            uint256[3] memory spans = [uint256(1 days), 3 days, 30 days];
            configurator.ramp_liquidation_ltv(
                address(weth), targets[(seed / 2) % 4], spans[(seed / 8) % 3]
            );
        }
        if (checked) _require(_healthy(healthy) == healthy, "GATE-3");
    }

    // ---------------------------------------------------------------- judged

    // Those of the accounts in a mask that owe and are above maintenance.
    function _healthy(uint256 mask) internal view returns (uint256 found) {
        for (uint256 i = 0; i < accounts.length; i++) {
            if ((mask >> i) & 1 == 0) continue;
            uint256[4] memory position = engine.position_of(accounts[i]);
            if (_held(position, true) == 0) continue;
            if (risk.health_of(position).healthFactor >= WAD) found |= 1 << i;
        }
    }

    // Changed latches: GATE-2, a sensor's ends later or not at all; what is latched acts where it is
    // read; GATE-1, for how long, and the guardian's in thirty days.
    function _latched(address asset, uint256 old, uint256 word) internal {
        if (old == word) return;
        uint256[3] memory due;
        for (uint256 at = 0; at < REASONS; at++) {
            (uint256 level, uint256 until) = _latch(word, at);
            if (until > due[level]) due[level] = until;
            if (at == GUARDIAN) continue;
            (uint256 oldLevel, uint256 oldUntil) = _latch(old, at);
            if (oldLevel == 0 || oldUntil <= block.timestamp) continue;
            _require(level >= oldLevel && until >= oldUntil, "GATE-2 loosened");
        }
        (uint256 caution, uint256 halt, uint256 held) = risk.latch_of(asset);
        _require(_same(caution, due[1]) && _same(halt, due[2]), "GATE-2 acts");
        uint256 most = block.timestamp + HOLD;
        _require(caution <= most && halt <= most && held <= most, "GATE-1 seven days");
        _budget(asset, held);
        if (asset != address(usdc)) return;
        // the vault takes the guardian's only
        (uint256 by, uint256 end) = _latch(word, GUARDIAN);
        uint256 stop = uint256(vm.load(address(vault), stopSlot));
        _require(
            _same(uint64(stop), by == 1 ? end : 0) && _same(uint64(stop >> 64), by == 2 ? end : 0),
            "GATE-2 vault"
        );
    }

    function _budget(address asset, uint256 end) internal {
        Hold[] storage all = holds[asset];
        uint256 count = all.length;
        if (count != 0 && all[count - 1].end >= block.timestamp) {
            all[count - 1].end = end > block.timestamp ? end : block.timestamp;
        } else if (end > block.timestamp) {
            all.push(Hold(block.timestamp, end));
            count++;
        }
        for (uint256 i = 0; i < count; i++) {
            uint256 last = all[i].end;
            uint256 total;
            for (uint256 j = 0; j <= i; j++) {
                uint256 start = all[j].start + 30 days > last ? all[j].start : last - 30 days;
                if (all[j].end > start) total += all[j].end - start;
            }
            _require(total <= HOLD, "GATE-1 budget");
        }
    }

    function _tightened(uint256 word, uint256 at, uint256 level, uint256 span) internal {
        (uint256 found, uint256 until) = _latch(word, at);
        _require(found >= level && until >= block.timestamp + span, "GATE-2 at once");
    }

    // GATE-2: nothing that the level of the vault forbids, above the highest at which it may be.
    function _open(uint256 highest) internal {
        uint256 stop = uint256(vm.load(address(vault), stopSlot));
        if (stop == 0) return;
        uint256 level =
            block.timestamp < uint64(stop >> 64) ? 2 : block.timestamp < uint64(stop) ? 1 : 0;
        _require(level <= highest, "GATE-2 vault is stopped");
    }

    // GATE-2: no new risk in an asset above NORMAL.
    function _normal(address asset) internal {
        (uint256 caution, uint256 halt,) = risk.latch_of(asset);
        _require(
            block.timestamp >= caution && block.timestamp >= halt && _status(asset) == VALID,
            "GATE-2 new risk"
        );
    }

    // LIVE-4: a refusal has a reason. One that has is handed on.
    function _refused(bytes memory why) internal {
        // anything else is a panic of the arithmetic, or no gas
        if (checked && bytes4(why) != ERROR) return _require(false, "LIVE-4");
        assembly {
            revert(add(why, 32), mload(why))
        }
    }

    // ---------------------------------------------------------------- read

    // Of the price of an asset, by its source and its average.
    function _status(address asset) internal view returns (uint256) {
        IFeed source = asset == address(weth) ? feed : steady;
        IRisk.Quote memory quote = risk.quote(asset);
        if (quote.price == 0 || source.updated_at() + MAX_AGE < block.timestamp) return MISSING;
        uint256 apart = quote.price > quote.average
            ? quote.price - quote.average
            : quote.average - quote.price;
        return apart * 10_000 > quote.average * BAND ? JUMPS : VALID;
    }

    // Cheaper than a view for each reason.
    function _latches(address asset) internal view returns (uint256) {
        return uint256(vm.load(address(breaker), _mapped(latchesSlot, asset)));
    }

    function _latch(uint256 word, uint256 at) internal pure returns (uint256, uint256) {
        word >>= 36 * at;
        return ((word >> 34) & 3, word & UNTIL);
    }

    // Of a mapping in Vyper: slot, then key.
    function _mapped(uint256 slot, address key) internal pure returns (bytes32) {
        return keccak256(abi.encode(slot, key));
    }

    // Whether two expiries mean the same now.
    function _same(uint256 a, uint256 b) internal view returns (bool) {
        return a == b || (a <= block.timestamp && b <= block.timestamp);
    }

    function _owner(bytes32 account_) internal pure returns (address) {
        return address(uint160(uint256(account_) >> 96));
    }

    function _held(uint256[4] memory words, bool debt) internal pure returns (uint256) {
        for (uint256 leg = 0; leg < 8; leg++) {
            uint256 tag = (words[leg / 2] >> (208 + 8 * (leg % 2))) & 255;
            if (tag != 0 && (tag >= 128) == debt) {
                return (words[leg / 2] >> (104 * (leg % 2))) & (2 ** 104 - 1);
            }
        }
        return 0;
    }

    // A call of the market is about to be made: a line in a file, which a revert does not undo.
    function _note() internal {
        if (counts) vm.writeLine("build/made.txt", trying ? "trial" : "");
    }

    function _require(bool held, string memory what) internal {
        if (!held && bytes(broken).length == 0) broken = what;
    }
}
