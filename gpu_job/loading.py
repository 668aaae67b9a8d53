"""Loading. Enters: what a spec says of its model. Leaves: the pipeline in the machine's memory, and what took how long.

A model comes from the hub, from a folder, or from a bucket that is mounted as one.
"""

from __future__ import annotations

import importlib
import time
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import diffusers
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # loaded on demand
from torch._dynamo.callback import callback_handler

from gpu_job.adapters import add_adapter
from gpu_job.few_steps import FewStepScheduler
from gpu_job.mounts import is_mounted_bucket, read_ahead
from shared.errors import ErrorCode, Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.models import Adapter
    from shared.requests import RenderSpec

#: Classes of pipelines that are ours. Loaded from folders alone: no hub decides what code runs here.
OWN_CLASSES = {"PocketPipeline": "gpu_job.pocket.pipeline"}
#: The hub says that there is no such model, or none for us.
NO_SUCH_MODEL = (
    RepositoryNotFoundError,
    RevisionNotFoundError,
    DisabledRepoError,
    HFValidationError,
    EntryNotFoundError,
)
#: The hub does not answer. Looked for first: an entry that is not in the cache is an `EntryNotFoundError` too.
NOT_REACHABLE = (LocalEntryNotFoundError, httpx.TransportError, ConnectionError, TimeoutError)
#: What diffusers, transformers and the hub raise over a model that they can't get or don't understand.
LOAD_ERRORS = (OSError, httpx.HTTPError, ValueError, TypeError, AttributeError, ImportError, KeyError)


class LoadTimes(NamedTuple):
    """Seconds that loading took, by what they went into."""

    #: Fetching: from the hub, or out of a mounted bucket.
    download: float = 0.0
    #: Files into the machine's memory.
    read: float = 0.0
    #: Onto the device.
    move: float = 0.0


class LoadClock:
    """Counts the seconds of each part of loading."""

    def __init__(self) -> None:
        self.times = LoadTimes()

    @contextmanager
    def counting(self, part: str) -> Iterator[None]:
        """While this lasts, seconds count for a field of `LoadTimes`."""
        begun = time.monotonic()
        try:
            yield
        finally:
            seconds: float = getattr(self.times, part) + time.monotonic() - begun
            self.times = self.times._replace(**{part: seconds})


class CompileClock:
    """Counts the seconds that torch compiles, whoever told it to; that happens while the first clip is drawn."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begun = 0.0
        callback_handler.register_start_callback(self._begin)
        callback_handler.register_end_callback(self._end)

    def _begin(self, _: object) -> None:
        self._begun = time.monotonic()

    def _end(self, _: object) -> None:
        self.seconds += time.monotonic() - self._begun


def load_pipeline(spec: RenderSpec, *, models_dir: Path, clock: LoadClock) -> DiffusionPipeline:
    """The spec's pipeline, with its adapters and its way of sampling, on no device yet.

    Raises:
        Retryable: it can't be reached or read now.
        Permanent: there is no such model, or it can't be loaded.
    """
    try:
        # 1. Fetch
        with clock.counting("download"):
            folder = _folder(spec.model_source, models_dir)
            kind = _class_of(spec, folder)
            if folder is None:
                folder = Path(kind.download(spec.model_source, revision=spec.model_revision))
            elif is_mounted_bucket(folder):
                read_ahead(folder)
            files = [_file_of(adapter, models_dir) for adapter in spec.adapters]
        # 2. Read
        with clock.counting("read"):
            dtype = getattr(torch, spec.dtype)
            pipe = kind.from_pretrained(folder, dtype=dtype, local_files_only=True, **spec.pipeline_config)
            for adapter, file in zip(spec.adapters, files, strict=True):
                add_adapter(pipe, adapter, file)
            if spec.sampler:
                pipe.scheduler = FewStepScheduler(spec.sampler)
            pipe.set_progress_bar_config(disable=True)
    except LOAD_ERRORS as exc:
        raise load_error(exc, spec.model_source) from exc
    return pipe


def load_error(exc: BaseException, source: str) -> Retryable | Permanent:
    """What a failed load decides. diffusers wraps the hub's errors in its own, so the causes are looked through too."""
    chain = [exc]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if any(isinstance(each, NOT_REACHABLE) for each in chain):
        return Retryable(f"Model {source} can't be reached.")
    if any(isinstance(each, NO_SUCH_MODEL) for each in chain):
        return Permanent(f"There is no model {source}, or it is not open to us.", code=ErrorCode.MODEL_UNAVAILABLE)
    if any(isinstance(each, HfHubHTTPError | OSError) for each in chain):
        return Retryable(f"Model {source} can't be read.")
    return Permanent(f"{source} is no pipeline that diffusers can load.", code=ErrorCode.MODEL_UNAVAILABLE)


def _folder(source: str, models_dir: Path) -> Path | None:
    """The model's folder; None when it is to be had from the hub."""
    path = PurePosixPath(source)
    if len(path.parts) == 1 and not models_dir.is_dir():
        raise Retryable("The folder of the models is not there (not mounted yet?).")
    folder = models_dir / path
    if path.is_absolute() or ".." in path.parts:
        raise Permanent(f"{source} is no name of a model.", code=ErrorCode.MODEL_UNAVAILABLE)
    if (folder / DiffusionPipeline.config_name).is_file():
        return folder
    if folder.is_dir():
        raise Permanent(f"{source} is no diffusers pipeline.", code=ErrorCode.MODEL_UNAVAILABLE)
    if len(path.parts) == 1:
        raise Permanent(f"There is no model {source} on this machine.", code=ErrorCode.MODEL_UNAVAILABLE)
    return None


def _class_of(spec: RenderSpec, folder: Path | None) -> type[DiffusionPipeline]:
    """What the model is loaded with: what the spec says, else what the folder says."""
    said = spec.pipeline_class or (DiffusionPipeline.load_config(folder).get("_class_name") if folder else None)
    found: Any
    if folder and said in OWN_CLASSES:
        found = getattr(importlib.import_module(OWN_CLASSES[said]), said)
    elif spec.pipeline_class is None:
        found = DiffusionPipeline  # finds it by itself, and says what is wrong with it
    else:
        found = getattr(diffusers, spec.pipeline_class, None)
    if not (isinstance(found, type) and issubclass(found, DiffusionPipeline)):
        detail = f"{spec.pipeline_class} is no pipeline of this version of diffusers."
        raise Permanent(detail, code=ErrorCode.MODEL_UNAVAILABLE)
    kind: type[DiffusionPipeline] = found
    return kind


def _file_of(adapter: Adapter, models_dir: Path) -> Path:
    folder = models_dir / adapter.source
    if folder.is_dir() and ".." not in PurePosixPath(adapter.source).parts:
        return folder / adapter.file
    return Path(hf_hub_download(adapter.source, adapter.file, revision=adapter.revision))
