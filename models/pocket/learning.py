"""Learning: the loop of every denoiser, on from its last checkpoint; what from, each part draws by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from models.pocket.checkpoints import Progress, load, save
from models.pocket.denoiser import Average, Denoiser, Optimizers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Clips, token ids, noise, times.
    Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]

#: Steps between two looks at what has been learned, and seconds between two checkpoints.
LOOK_EVERY = 100
SAVE_EVERY_S = 60.0


def halves(device: torch.device) -> bool:
    """Whether the device learns faster in bfloat16; a CPU without it takes twenty times as long a step."""
    return device.type == "cuda"


def quickened(denoiser: Denoiser, device: torch.device) -> None:
    """Have a GPU run each block as some large kernels; on a CPU that takes longer to prepare than it gains."""
    if device.type == "cuda":
        denoiser.transformer.compile_repeated_blocks(fullgraph=True)


def learn(
    denoiser: Denoiser,
    *,
    name: str,
    steps: int,
    optimizers: Optimizers,
    average_decay: float,
    rate: Callable[[int], float],
    batch: Callable[[int], Batch],
    folder: Path,
    device: torch.device,
    is_over: Callable[[], bool],
    looked: Callable[[Denoiser, int], None] = lambda _denoiser, _step: None,
    began_as: int = 0,
) -> Denoiser:
    """Train, on from the last checkpoint.

    Args:
        denoiser: on the device; as it begins where there is no checkpoint.
        name: of the checkpoint and the log.
        steps: in all.
        optimizers: of its weights.
        average_decay: of the running average.
        rate: part of the highest learning rate at a step.
        batch: what a step learns from. Every step draws from its own seed: whoever goes on after a break goes on as if
            there had been none.
        folder: of the checkpoint and the log.
        device: to train on.
        is_over: whether time is up.
        looked: at the average of the weights, now and then.
        began_as: what the weights began as; a checkpoint of another beginning is not gone on from.

    Returns:
        The average of the weights.
    """
    average = Average(denoiser, average_decay)
    path, step = folder / name, 0
    state = load(path)
    if state and state.get("began_as", 0) == began_as:
        denoiser.load_state_dict(state[name])
        average.denoiser.load_state_dict(state["average"])
        optimizers.load_state_dict(state["optimizers"])
        step = state["step"]
    progress = Progress(folder / f"{name}.jsonl", steps=steps)
    quickened(denoiser, device)
    denoiser.train()
    saved_at, save_at = step, time.monotonic() + SAVE_EVERY_S
    while step < steps and not is_over():
        clips, ids, noise, times = (each.to(device) for each in batch(step))
        with torch.autocast(device.type, torch.bfloat16, enabled=halves(device)):
            loss = denoiser.loss(clips, ids, noise=noise, times=times)
        optimizers.step(loss, denoiser, factor=rate(step))
        average.follow(denoiser, step)
        step += 1
        progress.heard(step, loss)
        if step % LOOK_EVERY == 0:
            looked(average.denoiser, step)
        if time.monotonic() > save_at:
            _save(path, name, denoiser, average, optimizers, step=step, began_as=began_as)
            saved_at, save_at = step, time.monotonic() + SAVE_EVERY_S
    if step != saved_at:
        _save(path, name, denoiser, average, optimizers, step=step, began_as=began_as)
    return average.denoiser


def _save(
    path: Path, name: str, denoiser: Denoiser, average: Average, optimizers: Optimizers, *, step: int, began_as: int
) -> None:
    weights = {name: denoiser.state_dict(), "average": average.denoiser.state_dict()}
    save(path, weights | {"optimizers": optimizers.state_dict(), "step": step, "began_as": began_as})


def rate_factor(step: int, steps: int, warm_up_steps: int, decay_from: float) -> float:
    """Part of the highest learning rate: up at the start, down to nothing at the end."""
    left = (steps - step) / (steps * (1 - decay_from))
    return min(1.0, (step + 1) / warm_up_steps, max(0.0, left))
