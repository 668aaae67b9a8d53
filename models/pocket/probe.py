"""The probe: reads place, time of day, weather, thing, colour and motion from a clip.

It judges the model, and never saw a drawn clip: it learns from painted scenes that the model did not see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from models.pocket.clips import painted_once
from models.pocket.labels import ATTRIBUTES, labels_of
from models.pocket.lessons import take_lessons
from models.pocket.scenes.held_out import draw_any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.pocket.recipe import ClipShape
    from models.pocket.scenes.attributes import Scene

#: Edge of the pictures that it looks at, in pixels.
SIZE: Final = 64
#: And of the frames, every so many: motion shows in half of them.
EVERY: Final = 2
CLIPS = 5000
STEPS, BATCH, RATE = 1200, 32, 2e-3
SEED: Final = 99


class Probe(nn.Module):
    """Clips ``(N, 3, T, 64, 64)`` in [-1, 1] to one set of scores ``(N, values)`` an attribute."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, stride in ((24, (1, 2, 2)), (48, (1, 2, 2)), (96, (2, 2, 2)), (160, (2, 2, 2))):
            layers += [
                nn.Conv3d(channels, width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm3d(width),
                nn.GELU(),
            ]
            channels = width
        layers += [nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0)), nn.GELU()]
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: nn.Linear(3 * channels, len(values)) for name, values in ATTRIBUTES.items()})

    def forward(self, video: torch.Tensor) -> dict[str, torch.Tensor]:
        """See the class."""
        hidden = self.body(video)
        summary = torch.cat(
            [hidden.mean(dim=(2, 3, 4)), hidden.amax(dim=(2, 3, 4)), hidden.mean(dim=2).std(dim=(2, 3))], 1
        )
        summary = F.dropout(summary, 0.2, self.training)
        return {name: head(summary) for name, head in self.heads.items()}

    @torch.no_grad()
    def read(self, clips: NDArray[np.uint8]) -> dict[str, list[str]]:
        """What clips ``(N, T, H, W, 3)`` show: for each attribute a value a clip."""
        self.eval()
        found: dict[str, list[str]] = {name: [] for name in ATTRIBUTES}
        for start in range(0, len(clips), BATCH):
            for name, scores in self(small_video(clips[start : start + BATCH])).items():
                found[name] += [ATTRIBUTES[name][int(best)].value for best in scores.argmax(dim=1)]
        return found


def small_video(clips: NDArray[np.uint8]) -> torch.Tensor:
    """Clips ``(N, T, H, W, 3)`` of any size as the probe sees them."""
    clips = clips[:, ::EVERY]
    n, frames = clips.shape[:2]
    video = torch.from_numpy(np.ascontiguousarray(clips)).flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
    if video.shape[-1] != SIZE:
        video = F.interpolate(video, (SIZE, SIZE), mode="area")
    return video.view(n, frames, 3, SIZE, SIZE).transpose(1, 2)


def accuracy(read: Mapping[str, Sequence[str]], scenes: Sequence[Scene]) -> dict[str, float]:
    """Part of the clips where an attribute is what it shall be."""
    return {
        name: float(np.mean([found == getattr(scene, name) for found, scene in zip(values, scenes, strict=True)]))
        for name, values in read.items()
    }


def train_probe(folder: Path, shape: ClipShape, *, is_over: Callable[[], bool] = lambda: False) -> Probe:
    """Train, on from the last checkpoint, for clips of that shape and with so many layouts a place."""
    name = f"probe-{shape.width}x{shape.height}x{shape.frames}-{shape.layouts}"
    scenes = [draw_any(np.random.default_rng((SEED, number)), number) for number in range(CLIPS)]
    small = shape.model_copy(update={"width": SIZE, "height": SIZE, "supersampling": 1})
    clips = painted_once(folder / f"{name}.npy", scenes, small)
    labels = labels_of(scenes)
    torch.manual_seed(SEED)
    probe = Probe()
    optimizer = torch.optim.AdamW(probe.parameters(), lr=RATE, weight_decay=0.02)

    def loss_at(step: int) -> torch.Tensor:
        rng = np.random.default_rng((SEED, step))
        chosen = np.sort(rng.integers(CLIPS, size=BATCH))
        scores = probe(_disturbed(small_video(clips[chosen]), rng))
        index = torch.from_numpy(chosen)
        return torch.stack([F.cross_entropy(scores[each], labels[each][index]) for each in ATTRIBUTES]).sum()

    take_lessons(
        probe,
        optimizer,
        key="probe",
        path=folder / name,
        steps=STEPS,
        rate=lambda step: RATE * min(1.0, (step + 1) / 100) * (1 - step / STEPS),
        loss_at=loss_at,
        is_over=is_over,
    )
    return probe


def _disturbed(video: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Mirrored, softer, noisier, brighter or darker by chance, so that the probe reads scenes and not sharp edges."""
    if rng.integers(2):
        video = video.flip(-1)
    if rng.integers(2):
        n, channels, frames, height, width = video.shape
        small = 16 * int(rng.integers(2, 4))
        flat = video.transpose(1, 2).flatten(0, 1)
        flat = F.interpolate(F.interpolate(flat, (small, small), mode="area"), (height, width), mode="bilinear")
        video = flat.view(n, frames, channels, height, width).transpose(1, 2)
    noise = 0.08 * rng.random() * torch.from_numpy(rng.standard_normal(video.shape, dtype=np.float32))
    return video * (0.9 + 0.2 * rng.random()) + 0.1 * (rng.random() - 0.5) + noise
