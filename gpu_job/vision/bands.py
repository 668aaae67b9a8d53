"""Bands: rows or columns of a picture that become sums of their neighbours. Enters: a matrix, frames. Leaves: frames.

A blur or a change of size along one axis is a matrix that is 0 but for a band. Cut into blocks it is a few small
matrix products, which is what processors are fastest at; what lies beyond an edge is in the matrix already.
"""

from __future__ import annotations

from typing import TypeAlias

import torch

#: Outputs of a block: fewer make many small products, more make products of zeros.
BLOCK = 64

#: A block: the first input that is looked at, and ``(outputs, inputs)`` from there on.
Bands: TypeAlias = tuple[tuple[int, torch.Tensor], ...]


def banded(matrix: torch.Tensor) -> Bands:
    """The blocks of ``(outputs, inputs)``, single precision."""
    return tuple(map(_block, torch.split(matrix.float(), BLOCK)))


def down(light: torch.Tensor, bands: Bands) -> torch.Tensor:
    """``(T, C, inputs, W)`` to ``(T, C, outputs, W)``."""
    parts = [
        torch.matmul(part.to(light), light[:, :, first : first + part.shape[1]])  # (T, C, block, W)
        for first, part in bands
    ]
    return torch.cat(parts, dim=2)


def across(light: torch.Tensor, bands: Bands) -> torch.Tensor:
    """``(T, C, H, inputs)`` to ``(T, C, H, outputs)``."""
    rows = light.flatten(0, 2)
    parts = [rows[:, first : first + part.shape[1]] @ part.to(light).T for first, part in bands]
    return torch.cat(parts, dim=1).view(*light.shape[:3], -1)


def _block(rows: torch.Tensor) -> tuple[int, torch.Tensor]:
    used = rows.any(dim=0).nonzero().flatten()
    first, last = (int(used[0]), int(used[-1])) if len(used) else (0, 0)
    return first, rows[:, first : last + 1].contiguous()
