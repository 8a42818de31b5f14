"""The demo: a crash replayed bar by bar on a running protocol, with everyone who acts in it.

`stage` puts the protocol on a host, `market` is what lies outside of it, `agents` act, `population`
says who there is, `simulation` runs them along a path of prices, `probe` tries the promises of
liveness, `results` and `report` keep and show what happened.
"""
