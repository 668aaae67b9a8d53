"""Muon: momentum whose steps turn every direction of a matrix alike (Jordan 2024, kellerjordan.github.io/posts/muon).

PyTorch's own makes them orthogonal in bfloat16, which a CPU without that takes sixty times as long for: 6.7 s a step
beside 1.7 s for everything else. This one computes in the weights' own precision, all matrices of a shape at once.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Of the polynomial that pushes all singular values towards one; five rounds suffice (Jordan 2024).
A, B, C, ROUNDS = 3.4445, -4.7750, 2.0315, 5
TINY = 1e-7
#: Of a step: as large as AdamW's steps are, so that learning rates compare (Liu 2025, "Muon is scalable").
LIKE_ADAM = 0.2


class Muon(torch.optim.Optimizer):
    """For matrices alone.

    Args:
        matrices: the weights, two-dimensional.
        lr: learning rate, on the scale of AdamW's.
        momentum: of the gradients, Nesterov's.
        weight_decay: part of the weights that each step takes away, times the learning rate.
    """

    def __init__(
        self, matrices: Iterable[torch.Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 - none is ever given
        """Learn from the gradients."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state: dict[str, Any] = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                mean = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                by_shape[weight.shape].append((weight, weight.grad.lerp(mean, group["momentum"])))
            for (rows, columns), pairs in by_shape.items():
                steps = orthogonal(torch.stack([step for _, step in pairs]))
                rate = group["lr"] * LIKE_ADAM * max(rows, columns) ** 0.5
                for (weight, _), step in zip(pairs, steps, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=rate)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices ``(N, rows, columns)`` with all their singular values near one, by Newton's and Schulz's rounds."""
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + TINY)
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = A * x + (B * square + C * square @ square) @ x
    turned: torch.Tensor = x.mT if is_tall else x
    return turned
