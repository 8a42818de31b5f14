"""Past crashes on the real contracts, with our liquidation and with that of others.

`crashes` makes a market of price files, `population` the borrowers, `mechanisms` the builds that
are compared, `pool` what liquidators sell into, `run` one crash under one mechanism, `results`,
`show` and `picture` what comes of it. Everything follows from a seed.
"""
