"""Whether a folder takes files: known before hours are spent on what goes into it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from breakwater.errors import UserError


def check(folder: Path) -> None:
    """UserError unless files can be written below a folder, which need not be there yet.

    Writes one and removes it: some folders may be written by their modes and cannot.
    """
    at = folder.absolute()
    try:
        while not at.exists():
            at = at.parent
        if not at.is_dir():
            raise NotADirectoryError(0, f"{at} is no folder")
        with tempfile.NamedTemporaryFile(dir=at, prefix=".probe-") as probe:
            probe.write(b"probe")
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from None
