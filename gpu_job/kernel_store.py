"""The kernels that compiling made, kept between workers. Enters: a folder. Leaves: one file a model, torch and device.

What torch calls a mega-cache: https://docs.pytorch.org/tutorials/recipes/torch_compile_caching_tutorial.html. One file
is read and written whole, so the folder may be a mounted bucket. torch looks up each kernel by a hash of all it depends
on: a file of other kernels costs its reading and nothing else. Whoever may write to the folder may run code here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = logging.getLogger(__name__)


class KernelStore:
    """Fetches before compiling, keeps after it. Never raises: a store that is not there costs time and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[tuple[object, ...]] = set()

    def fetch(self, part: Any) -> None:  # noqa: ANN401 - a module with a config
        """Give torch what was compiled for such a part, as far as somebody kept it."""
        path = self._path(part)
        try:
            if path.is_file():
                torch.compiler.load_cache_artifacts(path.read_bytes())
        except Exception:
            log.warning("kernels can't be fetched", extra={"action": "compile", "file": path.name}, exc_info=True)

    def keep(self, part: Any, arguments: Iterable[object]) -> None:  # noqa: ANN401 - as above
        """Store what was compiled, where the part was called with tensors of these shapes for the first time."""
        path = self._path(part)
        call = (path, *(tuple(each.shape) for each in arguments if isinstance(each, torch.Tensor)))
        if call in self._seen:
            return
        self._seen.add(call)
        try:
            if found := torch.compiler.save_cache_artifacts():
                self._folder.mkdir(parents=True, exist_ok=True)
                draft = path.with_name(f".{path.name}.{os.getpid()}")
                draft.write_bytes(found[0])
                draft.replace(path)
                log.info("kernels are kept", extra={"action": "compile", "file": path.name, "bytes": len(found[0])})
        except Exception:
            log.warning("kernels can't be kept", extra={"action": "compile", "file": path.name}, exc_info=True)

    def _path(self, part: Any) -> Path:  # noqa: ANN401 - as above
        config = {key: value for key, value in part.config.items() if not key.startswith("_")}
        digest = hashlib.sha256(repr(sorted(config.items())).encode()).hexdigest()[:12]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        words = (type(part).__name__, digest, f"torch{torch.__version__}", device)
        return self._folder / (re.sub(r"[^\w.]+", "-", "-".join(words)).lower() + ".kernels")
