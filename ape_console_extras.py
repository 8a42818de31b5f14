"""Names for `ape console`: `help()` there tells which."""

from typing import Any


def ape_init_extras() -> dict[str, Any]:
    """The devnet's protocol; ape calls this when a name is first used."""
    from breakwater.actions import console

    return console.names()
