"""Training of the text encoder: it learns to tell from a caption what a clip shows, before anything is drawn.

A denoiser that had to find out by itself which words matter spent its hours on that. Here the words are learned in
minutes, from captions alone. Where a caption leaves something out, what it says is how likely each value is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from gpu_job.pocket.pipeline import shortened, states_of
from models.pocket.clips import scene_of
from models.pocket.labels import ATTRIBUTES, labels_of
from models.pocket.lessons import take_lessons
from models.pocket.scenes.captions import caption, keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from models.pocket.recipe import Recipe
    from models.pocket.scenes.attributes import Scene

#: Of the scenes that captions are made of: none that is painted.
CAPTIONS = 8
#: Captions that a clip has, one of which is its own at each step of a training.
SAYINGS = 4


class Reader(nn.Module):
    """The text encoder, and what tells an attribute from what it made of that attribute's question."""

    def __init__(self, *, recipe: Recipe, vocabulary: int) -> None:
        super().__init__()
        part = recipe.text
        self.text_encoder = T5EncoderModel(
            T5Config(
                vocab_size=vocabulary,
                d_model=part.size,
                d_kv=32,
                d_ff=2 * part.size,
                num_layers=part.layers,
                num_heads=max(1, part.size // 32),
                dropout_rate=0.0,
                feed_forward_proj="gated-gelu",
                pad_token_id=0,
            )
        )
        self.heads = nn.ModuleDict({name: nn.Linear(part.size, len(values)) for name, values in ATTRIBUTES.items()})

    def forward(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Tokens ``(N, L)`` to scores ``(N, values)`` of each attribute."""
        states = states_of(self.text_encoder, ids, pad_token_id=0, count=len(ATTRIBUTES))
        return {name: head(states[:, number]) for number, (name, head) in enumerate(self.heads.items())}


def tokens_of(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str], length: int) -> torch.Tensor:
    """Token ids ``(N, L)`` of captions, padded with 0 to the longest, ``length`` at most."""
    rows = [torch.tensor(shortened(each, length)) for each in tokenizer(list(captions)).input_ids]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def said_of(scene: Scene, rng: np.random.Generator, recipe: Recipe) -> str:
    """What a clip is said to show; now and then nothing, or a list of keywords."""
    if rng.random() < recipe.text.empty_captions:
        return ""
    return keywords(scene, rng) if rng.random() < recipe.text.keyword_captions else caption(scene, rng)


def sayings_of(
    scenes: Sequence[Scene], *, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, device: torch.device
) -> torch.Tensor:
    """Token ids ``(N, SAYINGS, L)`` of what each clip is said to show, padded with 0."""
    rng = np.random.default_rng((recipe.seed, CAPTIONS))
    said = [said_of(scene, rng, recipe) for scene in scenes for _ in range(SAYINGS)]
    ids = tokens_of(tokenizer, said, recipe.text.length).to(device)
    return ids.view(len(scenes), SAYINGS, -1)


def train_text(
    *,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    is_over: Callable[[], bool],
) -> T5EncoderModel:
    """Train, on from the last checkpoint."""
    part = recipe.text
    torch.manual_seed(recipe.seed)
    reader = Reader(recipe=recipe, vocabulary=len(tokenizer)).to(device)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=part.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)

    def loss_at(step: int) -> torch.Tensor:
        rng = np.random.default_rng((recipe.seed, CAPTIONS, step))
        scenes = [scene_of(recipe.seed, step * part.batch + number, CAPTIONS) for number in range(part.batch)]
        ids = tokens_of(tokenizer, [said_of(each, rng, recipe) for each in scenes], part.length)
        labels = labels_of(scenes)
        scores = reader(ids.to(device))
        return torch.stack([F.cross_entropy(scores[name], labels[name].to(device)) for name in ATTRIBUTES]).sum()

    take_lessons(
        reader,
        optimizer,
        key="reader",
        path=folder / "text",
        steps=part.steps,
        rate=lambda step: part.learning_rate * min(1.0, (step + 1) / 100) * (1 - step / part.steps),
        loss_at=loss_at,
        is_over=is_over,
        longest_gradient=1.0,
    )
    return reader.text_encoder.requires_grad_(requires_grad=False)
