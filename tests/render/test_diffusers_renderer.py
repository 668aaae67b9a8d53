"""The real renderer on real pipeline classes with random weights: no download, no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import diffusers  # noqa: E402
from huggingface_hub import errors as hub  # noqa: E402
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # noqa: E402
from transformers import ByT5Tokenizer, CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel  # noqa: E402

from gpu_job import untrained_model  # noqa: E402
from gpu_job.diffusers_renderer import DiffusersRenderer, load_error  # noqa: E402
from gpu_job.renderer import RenderStopped  # noqa: E402
from shared.errors import ErrorCode, Permanent, Retryable  # noqa: E402
from shared.jobs import Stage  # noqa: E402
from shared.requests import RenderSpec  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from gpu_job.renderer import Renderer

pytestmark = pytest.mark.render

SPEC = RenderSpec(
    scope="public",
    perspective="curious-cat",
    perspective_version=1,
    theme=None,
    theme_version=None,
    prompt="a cat looks out of the window",
    negative_prompt="a dog",
    seed=7,
    model="tiny",
    model_version=1,
    model_source=untrained_model.MODEL_ID,
    model_revision="1",
    dtype="float32",
    frames=9,
    width=64,
    height=48,
    fps=16,
    steps=4,
    guidance=1.0,
)
LOADED = [(Stage.LOADING, 0, 1), (Stage.LOADING, 1, 1)]


class Listener:
    """A watch that remembers, and that stops the work when it has heard enough."""

    def __init__(self, *, enough: int = 1000) -> None:
        self.heard: list[tuple[Stage, int, int]] = []
        self._enough = enough

    def moved(self, stage: Stage, done: int, total: int) -> None:
        self.heard.append((stage, done, total))
        if len(self.heard) >= self._enough:
            raise RenderStopped


def changed(**changes: object) -> RenderSpec:
    return SPEC.model_copy(update=changes)


def drawn(renderer: Renderer, spec: RenderSpec = SPEC, *, watch: Listener | None = None) -> NDArray[np.float32]:
    return np.concatenate(list(renderer.render(spec, watch=watch or Listener())))


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    untrained_model.build(folder / untrained_model.MODEL_ID)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        tiny_cogvideox().save_pretrained(folder / "someone" / "cogvideox")
        tiny_text_to_video_sd(folder / "clip").save_pretrained(folder / "zeroscope")
    scheduler = diffusers.DDPMScheduler()
    diffusers.DDPMPipeline(diffusers.UNet2DModel(block_out_channels=(32, 32), down_block_types=["DownBlock2D"] * 2,
        up_block_types=["UpBlock2D"] * 2, layers_per_block=1), scheduler).save_pretrained(folder / "pictures")
    return folder


def tiny_cogvideox() -> diffusers.CogVideoXPipeline:
    text = T5Config(vocab_size=259, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4, dropout_rate=0.0)
    return diffusers.CogVideoXPipeline(
        tokenizer=ByT5Tokenizer(extra_ids=0),
        text_encoder=T5EncoderModel(text).eval(),
        transformer=diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=16,
            sample_height=16,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=226,
        ).eval(),
        vae=diffusers.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ).eval(),
        scheduler=diffusers.CogVideoXDDIMScheduler(),
    )


def tiny_text_to_video_sd(workshop: Path) -> diffusers.TextToVideoSDPipeline:
    """The class behind ModelScope and Zeroscope: it has no ``callback_on_step_end``."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=1,
        num_attention_heads=4,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
        pad_token_id=len(words) - 1,
    )
    return diffusers.TextToVideoSDPipeline(
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
        text_encoder=CLIPTextModel(text).eval(),
        unet=diffusers.UNet3DConditionModel(
            block_out_channels=(8, 8),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
            cross_attention_dim=32,
            attention_head_dim=4,
            norm_num_groups=2,
        ).eval(),
        vae=diffusers.AutoencoderKL(
            block_out_channels=(8,) * 4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=2,
        ).eval(),
        scheduler=diffusers.DDIMScheduler(),
    )


@pytest.fixture(scope="session")
def renderer(models_dir: Path) -> DiffusersRenderer:
    return DiffusersRenderer(models_dir, device="cpu", threads=2)
