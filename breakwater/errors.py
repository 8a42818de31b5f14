"""The one exception family the command line shows as a message instead of a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something the person at the keyboard can mend; its text says what and how."""
