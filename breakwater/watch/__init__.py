"""Margin alerts and the figures of a whole market, read of a node, on which nothing is sent.

figures   sums over accounts, in exact integers
reading   one look at the node
lines     which account crossed which line, and what is not delivered yet, in DuckDB
webhook   alerts to a program on this machine
show      a report as a table or as JSON
service   look after look until it is told to end
"""
