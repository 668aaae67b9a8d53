"""The locks: each package that something needs, to the digit, with the hash of each file that it is installed from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PIN = re.compile(r"([a-z0-9-]+)==(\S+) \\\n(?: {4}--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+")


def pins(lock: Path) -> dict[str, str]:
    """Packages of a lock with their versions, as `make pin` writes it.

    Raises:
        ValueError: the file has no pin, or a line that belongs to none, such as a package without a hash.
    """
    text = lock.read_text("utf-8")
    found = dict(_PIN.findall(text))
    rest = _PIN.sub("", text).splitlines()
    if rest or not found:
        msg = f"{lock}: not a pin with hashes: {next(iter(rest), 'nothing')}"
        raise ValueError(msg)
    return found
