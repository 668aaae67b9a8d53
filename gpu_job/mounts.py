"""Buckets that are mounted as folders. Enters: such a folder. Leaves: its weights, read ahead into the kernel's memory.

Cloud Storage FUSE answers each read with a request to the bucket. Libraries map weights into memory and touch them here
and there, which makes thousands of small requests one after another; read in large pieces, many at once, they take the
whole line. The kernel keeps what was read, and answers the libraries from that.
See https://cloud.google.com/kubernetes-engine/docs/how-to/cloud-storage-fuse-csi-driver-perf.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

log = logging.getLogger(__name__)

MOUNTS = Path("/proc/mounts")
#: Read in order by one thread: long enough that the mount fetches ahead.
PIECE_BYTES = 64 * 2**20
#: Of one system call.
READ_BYTES = 4 * 2**20
READERS = 16
WEIGHTS = (".safetensors", ".bin")


def is_mounted_bucket(folder: Path) -> bool:
    """Whether a folder lies in a file system that a program serves (FUSE), as mounted buckets do."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return False
    place, deepest, kind = folder.resolve(), -1, ""
    for line in lines:
        _, at, its_kind, *_ = line.split()
        mount = Path(at.replace("\\040", " "))
        if (
            place.is_relative_to(mount) and len(mount.parts) >= deepest
        ):  # of two at one place, the later hides the other
            deepest, kind = len(mount.parts), its_kind
    return kind.startswith("fuse")


def read_ahead(folder: Path) -> None:
    """Read all weights in a folder once.

    Raises:
        OSError: one can't be read.
    """
    begun = time.monotonic()
    sizes = {path: path.stat().st_size for path in sorted(folder.rglob("*")) if path.suffix in WEIGHTS}
    pieces = [(path, start) for path, size in sizes.items() for start in range(0, size, PIECE_BYTES)]
    with ThreadPoolExecutor(READERS, thread_name_prefix="read-ahead") as readers:
        list(readers.map(_read, pieces))
    seconds = time.monotonic() - begun
    log.info(
        "weights read ahead",
        extra={"action": "read_ahead", "size_bytes": sum(sizes.values()), "seconds": round(seconds, 3)},
    )


def _read(piece: tuple[Path, int]) -> None:
    path, start = piece
    left, buffer = PIECE_BYTES, bytearray(READ_BYTES)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while left > 0 and (count := file.readinto(buffer)):
            left -= count
