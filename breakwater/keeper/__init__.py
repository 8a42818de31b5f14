"""The keeper: watches a market, pokes its prices, liquidates, and tells what that brought.

store         everything it remembers, in DuckDB
chain         what it reads of a node beside contracts
watch         from events to accounts and liquidations
prices        which price is due for a poke
routes        how a flash liquidation may sell what it seizes
liquidations  which pair, how much, by which way
passes        one look at everything, and what follows from it
service       passes until it is told to end, whatever happens to the node
profit        the table
"""
