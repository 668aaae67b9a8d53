"""The worker with the real renderer, which says where it is. Run as ``python -m tests.contract.watched_worker``.

``PART`` is one of `WORKS`; the file ``ENTERED`` appears when it is called for the first time, and the file ``LEFT``
when that call has returned.
"""

from __future__ import annotations

import functools
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_job.main import main

if TYPE_CHECKING:
    from gpu_job.renderer import Renderer
    from gpu_job.worker_settings import WorkerSettings


#: Module, class and method.
WORKS = {
    "denoising": ("diffusers", "WanTransformer3DModel", "forward"),
    "decoding": ("gpu_job.pocket.autoencoder", "PocketAutoencoder", "decode"),
}


def watched_renderer(settings: WorkerSettings) -> Renderer:
    from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: PLC0415 - as late as the real worker

    module, class_name, name = WORKS[os.environ["PART"]]
    part = getattr(importlib.import_module(module), class_name)
    work = getattr(part, name)

    @functools.wraps(work)
    def watched(*arguments: Any, **options: Any) -> Any:
        Path(os.environ["ENTERED"]).touch()
        result = work(*arguments, **options)
        Path(os.environ["LEFT"]).touch()
        return result

    setattr(part, name, watched)
    return DiffusersRenderer(settings.models_dir, device=settings.device, threads=settings.threads)


if __name__ == "__main__":
    main(watched_renderer)
