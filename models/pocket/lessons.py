"""Lessons: the loop of what learns by AdamW and keeps no average of its weights: text encoder, probe.

The denoisers' loop is `models.pocket.learning`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import torch

from models.pocket.checkpoints import Progress, load, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Steps between two checkpoints.
SAVE_EVERY = 100


def take_lessons(
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    key: str,
    path: Path,
    steps: int,
    rate: Callable[[int], float],
    loss_at: Callable[[int], torch.Tensor],
    is_over: Callable[[], bool],
    longest_gradient: float = inf,
) -> None:
    """Train, on from the last checkpoint, and leave the module ready for use.

    Args:
        module: on its device.
        optimizer: of its weights.
        key: that its weights have in the checkpoint.
        path: of the checkpoint's folder; the log lies beside it.
        steps: in all.
        rate: learning rate at a step.
        loss_at: what a step learns from; it draws from the step's own seed.
        is_over: whether time is up.
        longest_gradient: a longer one is cut to this norm.
    """
    step = 0
    if state := load(path):
        module.load_state_dict(state[key])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    progress = Progress(path.parent / f"{path.name}.jsonl", steps=steps)
    saved_at = step
    module.train()
    while step < steps and not is_over():
        loss = loss_at(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), longest_gradient)
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        step += 1
        progress.heard(step, loss)
        if step % SAVE_EVERY == 0:
            save(path, {key: module.state_dict(), "optimizer": optimizer.state_dict(), "step": step})
            saved_at = step
    if step != saved_at:
        save(path, {key: module.state_dict(), "optimizer": optimizer.state_dict(), "step": step})
    module.eval()
