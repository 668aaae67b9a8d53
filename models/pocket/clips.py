"""Clips: scenes painted by as many processes as there are cores, each from a seed.

Enters: seeds. Leaves: scenes and their pixels.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.pocket.scenes.attributes import Colour, Motion, Place, Scene, Thing, TimeOfDay, Weather, draw_scene
from models.pocket.scenes.painter import paint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.pocket.recipe import ClipShape

#: Scenes of one use never come up in another.
TRAINING = 0
#: Clips that are painted sooner here than in new processes, which compile the loops for ten seconds.
FEW = 100


def scene_of(seed: int, number: int, use: int = TRAINING) -> Scene:
    """The scene of that number."""
    return draw_scene(np.random.default_rng((seed, use, number)))


def painted(scenes: Sequence[Scene], shape: ClipShape) -> Iterator[NDArray[np.uint8]]:
    """The clips ``(T, H, W, 3)`` of scenes, in their order, painted by all cores."""
    if len(scenes) <= FEW:
        yield from (_paint(scene, shape) for scene in scenes)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn, initializer=_be_nice) as pool:
        yield from pool.map(partial(_paint, shape=shape), scenes, chunksize=4)


def painted_once(path: Path, scenes: Sequence[Scene], shape: ClipShape) -> NDArray[np.uint8]:
    """The clips ``(N, T, H, W, 3)`` of scenes; painted into that file where it is not there yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft.npy")
        size = (len(scenes), shape.frames, shape.height, shape.width, 3)
        clips = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=size)
        for number, clip in enumerate(painted(scenes, shape)):
            clips[number] = clip
        clips.flush()
        draft.replace(path)
    found: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return found


def as_video(clips: NDArray[np.uint8]) -> torch.Tensor:
    """Clips ``(N, T, H, W, 3)`` as a video ``(N, 3, T, H, W)`` in [-1, 1]."""
    return torch.from_numpy(np.array(clips)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


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


def _be_nice() -> None:
    os.nice(5)
    torch.set_num_threads(1)
