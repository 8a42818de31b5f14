"""12 and 13 March 2020, "Black Thursday", as a path between published prices of ether and bitcoin.

No exchange's data is in here. Each waypoint is a price that a public page names with its time; the
price moves on a straight line of logarithms from one to the next, which leaves out all noise and
every lesser swing. Times are UTC. "Approximately" is meant: venues differed by up to 5 USD (ether)
and 100 USD (bitcoin) in these hours, and pages round. `BARS` holds the bars of both assets.

SOURCES
dragonfly    T. Schmidt, "Daos Ex Machina: An In-Depth Timeline of Maker's Recent Crisis",
             Dragonfly Research, 24 March 2020: ether at 171 at 1 AM Pacific on the 12th.
             https://medium.com/dragonfly-research/daos-ex-machina-an-in-depth-timeline-of-makers-recent-crisis-66d2ae39dd65
defisaver    "Black Thursday at DeFi Saver", March 2020: ether from 194.97 as the 12th begins to 136
             twelve hours later, a bottom some 26 hours after the start, then 130.
             https://coin.fyi/news/dai/black-thursday-at-defi-saver-covering-recent-events-and-plans-for-updates-fktcic
coindesk     "DeFi Leader MakerDAO Weighs Emergency Shutdown Following ETH Price Drop", 12 March
             2020: about 194 in the night, a low of 124 around noon (UTC) of the 12th.
             https://dinocrypto.com/news/defi-leader-makerdao-weighs-emergency-shutdown-following-eth-price-drop
exchangeguide "Ethereum Price Crash Causes 'Extreme' Network Congestion", 12 March 2020: 141.44
             after the first fall.
             https://bitcoinexchangeguide.com/ethereum-price-crash-causes-extreme-network-congestion-gas-defi-shot-up/
coinspot     coinspot.io, 13 March 2020: ether at 113.5 on Bitstamp on the 13th.
             https://coinspot.io/IS4rs
btcmex       "Black Thursday: what actually happened to Bitcoin", BTCMEX: 7,300 to 5,690 between 10
             and 11 UTC, 5,800 to 3,900 between 23 and 2:15 UTC.
             https://blog.btcmex.com/black-thursday-what-actually-happened-to-bitcoin/
chaincatcher "Reviewing the most thrilling 24 hours in Bitcoin's history", Chain Catcher, 14 March
             2020 (times of Huobi, UTC+8): below 7,600 after 04:00 UTC, about 7,200 at 10:00, 5,555
             minutes later, a low of 3,800.
             https://chaincatcher.com/en/article/2058014
fifth        "Fifth anniversary of the March 12 incident", Binance Square, 2025: 3,782 for bitcoin
             and 87 for ether in the second fall.
             https://bbapi.viigoo.eu.org/square/post/21453633769865
weex         "312 5th Anniversary", BlockBeats, 2025: about 7,000 at 10:30 UTC on the 12th, 3,800.
             https://www.weex.io/news/detail/312-5th-anniversary-market-respect-forever-and-ever-22673
assumed      Between published prices: a rebound, or a level that several pages describe in words.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import NamedTuple

from breakwater.prices import Bar

STEP = 900
"""Length of a bar, in seconds."""


class Waypoint(NamedTuple):
    """A price at a time, "12 10:45" in March 2020, UTC, and who published it (see SOURCES)."""

    time: str
    price: float
    source: str


ETH = (
    Waypoint("12 00:00", 194.0, "defisaver, coindesk"),
    Waypoint("12 08:00", 171.0, "dragonfly"),
    Waypoint("12 10:15", 168.0, "assumed"),
    Waypoint("12 11:00", 124.0, "coindesk"),
    Waypoint("12 12:00", 136.0, "defisaver"),
    Waypoint("12 15:00", 141.4, "exchangeguide"),
    Waypoint("12 19:30", 139.0, "assumed"),
    Waypoint("12 20:45", 126.0, "assumed"),
    Waypoint("12 22:45", 128.0, "assumed"),
    Waypoint("12 23:30", 103.0, "assumed"),
    Waypoint("13 00:30", 112.0, "assumed"),
    Waypoint("13 02:15", 87.0, "fifth"),
    Waypoint("13 03:30", 130.0, "defisaver"),
    Waypoint("13 05:00", 113.5, "coinspot"),
    Waypoint("13 10:00", 130.0, "assumed"),
    Waypoint("13 18:00", 118.0, "assumed"),
    Waypoint("14 00:00", 133.0, "assumed"),
)

BTC = (
    Waypoint("12 00:00", 7_930.0, "assumed"),
    Waypoint("12 04:00", 7_600.0, "chaincatcher"),
    Waypoint("12 10:00", 7_300.0, "btcmex, chaincatcher"),
    Waypoint("12 10:30", 7_000.0, "weex"),
    Waypoint("12 11:00", 5_555.0, "chaincatcher, btcmex"),
    Waypoint("12 12:00", 6_050.0, "assumed"),
    Waypoint("12 19:30", 6_000.0, "assumed"),
    Waypoint("12 23:00", 5_800.0, "btcmex"),
    Waypoint("12 23:30", 4_450.0, "assumed"),
    Waypoint("13 00:30", 4_900.0, "assumed"),
    Waypoint("13 02:15", 3_800.0, "chaincatcher, btcmex, fifth"),
    Waypoint("13 03:30", 5_300.0, "assumed"),
    Waypoint("13 05:00", 4_750.0, "assumed"),
    Waypoint("13 10:00", 5_600.0, "assumed"),
    Waypoint("13 18:00", 5_000.0, "assumed"),
    Waypoint("14 00:00", 5_550.0, "assumed"),
)


def stamp(time: str) -> int:
    """UTC seconds of a waypoint's time."""
    moment = datetime.strptime(f"2020-03-{time}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return int(moment.timestamp())


def bars(waypoints: tuple[Waypoint, ...]) -> list[Bar]:
    """Bars of STEP seconds along the waypoints, from the first to the last."""
    known = [(stamp(point.time), point.price) for point in waypoints]
    found = []
    for start in range(known[0][0], known[-1][0], STEP):
        end = start + STEP
        inside = [price for time, price in known if start < time < end]
        prices = [_between(known, start), *inside, _between(known, end)]
        found.append(Bar(start, prices[0], max(prices), min(prices), prices[-1]))
    return found


def _between(known: list[tuple[int, float]], time: int) -> float:
    for (left, before), (right, after) in itertools.pairwise(known):
        if left <= time <= right:
            weight = (time - left) / (right - left)
            return float(before ** (1 - weight) * after**weight)
    raise ValueError("a time outside the waypoints")


BARS = {"WETH": bars(ETH), "WBTC": bars(BTC)}
"""Bars by the symbol of the collateral that they price."""
