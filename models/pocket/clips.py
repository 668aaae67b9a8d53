"""Clips: scenes painted by as many processes as there are cores, or set up by them and painted by a GPU.

Enters: seeds. Leaves: scenes and their pixels.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.pocket.scenes.attributes import Colour, Motion, Place, Scene, Thing, TimeOfDay, Weather, draw_scene
from models.pocket.scenes.painter import paint
from models.pocket.scenes.stage import staged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.pocket.recipe import ClipShape
    from models.pocket.scenes.stage import Stage

#: Scenes of one use never come up in another.
TRAINING = 0
#: Clips that are painted sooner here than in new processes, which compile the loops for ten seconds.
FEW = 100
CPU = torch.device("cpu")


def scene_of(seed: int, number: int, use: int = TRAINING) -> Scene:
    """The scene of that number."""
    return draw_scene(np.random.default_rng((seed, use, number)))


def painted(scenes: Sequence[Scene], shape: ClipShape, device: torch.device = CPU) -> Iterator[torch.Tensor]:
    """The clips ``(T, H, W, 3) uint8`` of scenes, in their order, on that device, painted by it or by all cores.

    Raises:
        ValueError: a GPU shall paint, and there is no numba-cuda.
    """
    if device.type == "cuda":
        yield from _painted_on_gpu(scenes, shape, device)
    elif len(scenes) <= FEW:
        yield from (torch.from_numpy(_paint(scene, shape)) for scene in scenes)
    else:
        with _processes() as pool:
            yield from map(torch.from_numpy, pool.map(partial(_paint, shape=shape), scenes, chunksize=4))


def _painted_on_gpu(scenes: Sequence[Scene], shape: ClipShape, device: torch.device) -> Iterator[torch.Tensor]:
    if find_spec("numba_cuda") is None:
        raise ValueError("Painting on a GPU needs a package more: pip install numba-cuda. Or paint with --device cpu.")
    from models.pocket.scenes.gpu_painter import paint_on_gpu  # noqa: PLC0415 - see above

    with _processes() as pool:
        for stage in pool.map(partial(_stage, shape=shape), scenes, chunksize=16):
            frames = torch.empty((shape.frames, shape.height, shape.width, 3), dtype=torch.uint8, device=device)
            paint_on_gpu(stage, frames, supersampling=shape.supersampling)
            yield frames


def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        os.cpu_count(), mp_context=multiprocessing.get_context("forkserver"), initializer=_be_nice
    )


def painted_once(
    path: Path, scenes: Sequence[Scene], shape: ClipShape, device: torch.device = CPU
) -> NDArray[np.uint8]:
    """The clips ``(N, T, H, W, 3)`` of scenes; painted, by that device, into that file where it is not there yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft.npy")
        size = (len(scenes), shape.frames, shape.height, shape.width, 3)
        clips = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=size)
        for number, clip in enumerate(painted(scenes, shape, device)):
            clips[number] = clip.cpu().numpy()
        clips.flush()
        draft.replace(path)
    found: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return found


def as_video(clips: torch.Tensor) -> torch.Tensor:
    """Clips ``(N, T, H, W, 3) uint8`` as a video ``(N, 3, T, H, W)`` in [-1, 1], on their device."""
    return clips.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def written(scene: Scene) -> str:
    """The scene as a line of JSON."""
    return json.dumps(asdict(scene))


def read(line: str) -> Scene:
    """The scene of such a line."""
    values = json.loads(line)
    return Scene(
        place=Place(values["place"]),
        time_of_day=TimeOfDay(values["time_of_day"]),
        weather=Weather(values["weather"]),
        thing=Thing(values["thing"]),
        colour=Colour(values["colour"]),
        motion=Motion(values["motion"]),
        seed=values["seed"],
    )


def _paint(scene: Scene, shape: ClipShape) -> NDArray[np.uint8]:
    return paint(
        scene,
        width=shape.width,
        height=shape.height,
        frames=shape.frames,
        fps=shape.fps,
        supersampling=shape.supersampling,
        layouts=shape.layouts,
    )


def _stage(scene: Scene, shape: ClipShape) -> Stage:
    return staged(
        scene, width=shape.width, height=shape.height, frames=shape.frames, fps=shape.fps, layouts=shape.layouts
    )


def _be_nice() -> None:
    os.nice(5)
    torch.set_num_threads(1)
