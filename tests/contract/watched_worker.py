"""The worker with the real renderer, which says where it is. Run as ``python -m tests.contract.watched_worker``.

``PART`` is one of `WORKS`; the file ``ENTERED`` appears when it begins for the first time, and the file ``LEFT`` when
it is over: when the call has returned, or when all that it yields has been taken.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_job.main import main

if TYPE_CHECKING:
    from gpu_job.renderer import Renderer
    from gpu_job.worker_settings import WorkerSettings


#: Module, class and method.
WORKS = {
    "denoising": ("diffusers", "WanTransformer3DModel", "forward"),
    "decoding": ("gpu_job.pocket.autoencoder", "PocketAutoencoder", "decode_by_group"),
}


def watched_renderer(settings: WorkerSettings) -> Renderer:
    from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: PLC0415 - as late as the real worker

    module, class_name, name = WORKS[os.environ["PART"]]
    part = getattr(importlib.import_module(module), class_name)
    work = getattr(part, name)
    entered, left = Path(os.environ["ENTERED"]), Path(os.environ["LEFT"])

    @functools.wraps(work)
    def watched(*arguments: Any, **options: Any) -> Any:
        entered.touch()
        result = work(*arguments, **options)
        if isinstance(result, Iterator):
            return followed(result)
        left.touch()
        return result

    def followed(parts: Iterator[Any]) -> Iterator[Any]:
        yield from parts
        left.touch()

    setattr(part, name, watched)
    return DiffusersRenderer(settings.models_dir, device=settings.device, threads=settings.threads)


if __name__ == "__main__":
    main(watched_renderer)
