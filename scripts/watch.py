"""Margin alerts and figures of the whole market, until Ctrl-C; sends nothing."""

from breakwater.commands.watch import command as cli

__all__ = ["cli"]
