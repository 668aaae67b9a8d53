"""The worker with the real renderer, which says where it is. Run as ``python -m tests.contract.watched_worker``.

``PART`` is the class of a part of the pipeline; the file ``ENTERED`` appears when it is called for the first time, and
the file ``LEFT`` when that call has returned.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gpu_job.main import main

if TYPE_CHECKING:
    from gpu_job.renderer import Renderer
    from gpu_job.worker_settings import WorkerSettings


def watched_renderer(settings: WorkerSettings) -> Renderer:
    from torch.nn.modules import module  # noqa: PLC0415 - as late as the real worker

    from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: PLC0415

    def enter(part: object, _arguments: object) -> None:
        if type(part).__name__ == os.environ["PART"]:
            Path(os.environ["ENTERED"]).touch()

    def leave(part: object, _arguments: object, _result: object) -> None:
        if type(part).__name__ == os.environ["PART"]:
            Path(os.environ["LEFT"]).touch()

    module.register_module_forward_pre_hook(enter)
    module.register_module_forward_hook(leave)
    return DiffusersRenderer(settings.models_dir, device=settings.device, threads=settings.threads)


if __name__ == "__main__":
    main(watched_renderer)
