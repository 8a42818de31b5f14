"""Watch a market, poke its prices, liquidate, and tell the profit, until Ctrl-C."""

from breakwater.commands.keeper import command as cli

__all__ = ["cli"]
