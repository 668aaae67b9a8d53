"""What a GPU gains: Wan's few-step paths at full size with random weights, plain diffusers first, then lever by lever.

Enter: a journal, which knows how much time there is, and sizes. Leave: its lines, the most telling first. What takes
long is begun where the time suffices by what the measures before it took. Nothing is downloaded or saved.
"""

from __future__ import annotations

import functools
import logging
import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import diffusers
import torch
import transformers
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from bench import architectures, ceilings
from bench.ceilings import seconds
from bench.drawer import GIB, PROMPT_TOKENS, Drawer
from bench.steady_decoder import SteadyDecoder
from gpu_job.acceleration import accelerate
from gpu_job.vision.eye import see
from shared.perspectives import perspectives
from shared.recipes import Recipe

if TYPE_CHECKING:
    from bench.architectures import Architecture
    from bench.journal import Journal

EYES: Final = ("curious-cat", "restless-fly", "drifting-goldfish")
#: Of a clip, on a CPU as well, to compare.
EYE_FRAMES: Final = 4
#: Kernels of attention that a recipe may name, if the device turns out to have them.
KERNELS: Final = ("_native_cudnn", "_native_flash", "_flash_3", "flash")
#: Torch's.
OWN_CHOICE: Final = "native"
#: Less is chance.
A_GAIN: Final = 1.02
#: What is expected where nothing was measured yet, of the small model on an H100: seconds of a step, of decoding, of
#: compiling blocks, and of compiling norms.
STEP_S, DECODE_S, COMPILE_S, NORMS_S = 1.0, 5.0, 35.0, 10.0


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What is measured."""

    small: Architecture
    large: Architecture
    #: Bytes that are copied, and the side of a square product.
    copied: int
    side: int


FULL: Final = Sizes(small=architectures.WAN_1_3B, large=architectures.WAN_5B, copied=4 * GIB, side=8192)
TINY: Final = Sizes(
    small=replace(architectures.TINY, height=96),
    large=replace(architectures.TINY_5B, width=192, height=96),
    copied=2**20,
    side=64,
)


@dataclass(frozen=True, kw_only=True)
class DecoderLevers:
    """What is put on an autoencoder that is made anew."""

    channels_last: bool = False
    #: cuDNN tries its convolutions at each new shape.
    benchmark: bool = False
    fused_norms: bool = False
    steady_graph: bool = False
    single_precision: bool = False

    def put_on(self, drawer: Drawer) -> dict[str, object]:
        """Returns which are on, and of those of recipes what was said."""
        drawer.renew_autoencoder()
        vae = drawer.pipe.vae
        if self.single_precision:
            vae.float()
        recipe = Recipe(channels_last=self.channels_last, fused_norms=self.fused_norms)
        report = accelerate(drawer.pipe, recipe, device=drawer.device)
        if self.steady_graph:
            vae.decoder = SteadyDecoder(vae.decoder)
        torch.backends.cudnn.benchmark = self.benchmark
        others = {name: True for name, is_on in vars(self).items() if is_on and name not in recipe.levers}
        return {**report, **others}


def measure(journal: Journal, sizes: Sizes, device: torch.device) -> None:
    """All of it, for as long as there is time."""
    for silence in (diffusers_logging, transformers_logging):
        silence.disable_progress_bar()
        silence.set_verbosity_error()
    logging.getLogger("gpu_job").setLevel(logging.ERROR)  # what is not applied is in the lines
    journal.attempt("machine", functools.partial(machine, device), takes_s=0)
    kernel = measure_ceilings(journal, sizes, device)
    journal.attempt("small: read a prompt", functools.partial(read, sizes.small, device), takes_s=6)
    small = Subject("small", journal, kernel)
    if small.make(sizes.small, device):
        small.draw_plainly()
        small.decode_plainly()
        small.decode_in_other_ways()
        small.try_attention()
        small.try_decoder("channels last", channels_last=True)
        small.try_decoder("cuDNN benchmark", benchmark=True)
        small.try_fp8_weights()
    measure_eyes(journal, sizes.small, device)
    if small.drawer:
        small.try_decoder("fused norms", fused_norms=True, more_s=small.norms_s)
        small.try_compiled()
        small.sum_up()
        small.drawer.pipe.transformer = None  # to decode, latents suffice
    torch.compiler.reset()  # sizes that were compiled before would make those to come dynamic
    large = Subject("large at 480p", journal, kernel, decoder=small.decoder, norms_s=small.norms_s)
    if large.make(replace(sizes.large, width=sizes.small.width, height=sizes.small.height), device):
        large.draw_plainly()
        large.try_attention()
        large.decode_plainly()
        large.decode_best()
        large.sum_up()
        large.grow("large", sizes.large)
    if small.drawer:
        small.try_decoder("single precision", single_precision=True)
        small.try_decoder("steady graph", steady_graph=True, fused_norms=False, more_s=COMPILE_S)
    if large.drawer:
        large.compile_s = small.compile_s
        large.try_compiled()
    journal.note("end")


class Subject:
    """A model that is measured: what was found of it so far, and what gained something."""

    def __init__(
        self,
        name: str,
        journal: Journal,
        kernel: str | None,
        decoder: DecoderLevers | None = None,
        norms_s: float = NORMS_S,
    ) -> None:
        self.name = name
        self.journal = journal
        #: Of attention, the fastest of the device.
        self.attention = (kernel,) if kernel else ()
        self.decoder = decoder or DecoderLevers()
        self.drawer: Drawer | None = None
        self.compile_s, self.norms_s = COMPILE_S, norms_s
        self.step_s = STEP_S
        self.decode_s = DECODE_S
        #: The best of each.
        self.best: dict[str, float] = {}

    def make(self, architecture: Architecture, device: torch.device) -> bool:
        """Whether there is one now."""

        def made() -> dict[str, Any]:
            self.drawer = drawer = Drawer(architecture, device)
            weights = (*drawer.pipe.transformer.parameters(), *drawer.pipe.vae.parameters())
            return {"model": architecture.name, "weights_gib": sum(each.nbytes for each in weights) / GIB}

        self.journal.attempt(f"{self.name}: make", made, takes_s=5)
        return self.drawer is not None

    # --- denoising ---

    def draw_plainly(self) -> None:
        """Denoise by plain diffusers."""
        drawer = self._drawer
        figures = self._attempt_draw("plain denoise", Recipe(), is_plain=True)
        self.step_s = figures.get("step_s", STEP_S)
        if figures:
            self.journal.note(f"{self.name}: clip", tokens=drawer.tokens, steps=drawer.architecture.steps)

    def try_attention(self) -> None:
        """Denoise by the fastest kernel."""
        if self.attention:
            self._attempt_draw(f"denoise, attention {self.attention[0]}", self._recipe())

    def try_fp8_weights(self) -> None:
        """Denoise with weights that are kept in 8 bits."""
        self._attempt_draw("denoise, fp8 weights", self._recipe(fp8_weights=True), more_s=2 * self.step_s)

    def try_compiled(self) -> None:
        """Denoise with compiled blocks, and the fastest kernel."""
        figures = self._attempt_draw("denoise, compiled", self._recipe(compile=True), more_s=self.compile_s)
        if figures:
            self.compile_s = figures["first_step_s"]

    def _recipe(self, **levers: object) -> Recipe:
        return Recipe.model_validate({"attention": self.attention} | levers)

    def _attempt_draw(self, what: str, recipe: Recipe, *, more_s: float = 0, is_plain: bool = False) -> dict[str, Any]:
        drawer = self._drawer
        runs = 2 if drawer.architecture.steps * self.step_s < DECODE_S else 1

        def prepared() -> dict[str, str]:
            drawer.renew_denoiser()
            return accelerate(drawer.pipe, recipe, device=drawer.device)

        takes_s = 2 + more_s + self.step_s * (1 + runs * drawer.architecture.steps) + self.decode_s / 3
        figures = self.journal.attempt(
            f"{self.name}: {what}", lambda: drawer.draw(prepared, is_plain=is_plain, runs=runs), takes_s=takes_s
        )
        self._keep_best("denoise_s", figures)
        return figures

    # --- decoding ---

    def decode_plainly(self) -> None:
        """Decode by plain diffusers, group by group."""
        figures = self._attempt_decode("plain decode", DecoderLevers(), is_plain=True)
        self.decode_s = figures.get("decode_s", self.decode_s)

    def decode_in_other_ways(self) -> None:
        """Decode plainly once more, with the frames' way to the host, and all at once."""
        drawer = self._drawer
        ways = {
            "plain decode to the host": lambda: drawer.decoded(drawer.latents, to_host=True),
            "plain decode at once": lambda: drawer.decoded_at_once(drawer.latents),
        }
        for what, way in ways.items():

            def timed(way: Any = way) -> dict[str, float]:  # noqa: ANN401 - any way
                drawer.free()
                return {"decode_s": seconds(way, drawer.device, runs=1, warm=False)[0]} | drawer.memory()

            self.journal.attempt(f"{self.name}: {what}", timed, takes_s=1 + self.decode_s)

    def try_decoder(self, what: str, *, more_s: float = 0, **levers: bool) -> None:
        """Decode with a lever besides those that gained something, and keep it where it gains too."""
        trial = replace(self.decoder, **levers)
        best_s = self.best.get("decode_s", float("inf"))
        figures = self._attempt_decode(f"decode, {what}", trial, more_s=more_s)
        if figures and trial.fused_norms and not self.decoder.fused_norms:
            self.norms_s = figures["first_groups_s"]
        if figures and figures["decode_s"] * A_GAIN < best_s:
            self.decoder = trial

    def decode_best(self) -> None:
        """Decode with all that gained something."""
        self._attempt_decode("decode, best", self.decoder, more_s=self.norms_s if self.decoder.fused_norms else 0)

    def _attempt_decode(
        self, what: str, levers: DecoderLevers, *, more_s: float = 0, is_plain: bool = False
    ) -> dict[str, Any]:
        drawer = self._drawer
        figures = self.journal.attempt(
            f"{self.name}: {what}",
            lambda: drawer.decode(lambda: levers.put_on(drawer), is_plain=is_plain),
            takes_s=1 + 1.4 * self.decode_s + more_s,
        )
        self._keep_best("decode_s", figures)
        return figures

    # --- all ---

    def grow(self, name: str, architecture: Architecture) -> None:
        """Draw a larger clip: plainly too where there is time for both, with what gained something in any case."""
        drawer = self._drawer
        before = drawer.tokens
        self.name, self.best = name, {}
        drawer.size(architecture)
        larger = drawer.tokens / before
        self.step_s *= larger**1.5
        self.decode_s *= larger
        both_s = 2 * (2 + self.step_s * (1 + architecture.steps) + 1.4 * self.decode_s)
        if self.journal.left_s > both_s:
            self.draw_plainly()
        self.try_attention()
        if self.journal.left_s > 2 * (1 + 1.4 * self.decode_s):
            self._attempt_decode("plain decode", DecoderLevers(), is_plain=True)
        self.decode_best()
        self.sum_up()

    def sum_up(self) -> None:
        """Plain and best, from a read prompt to the last frame."""
        plain = self._drawer.plain
        if plain.keys() >= {"denoise_s", "decode_s"} <= self.best.keys():
            plain_s, best_s = sum(plain.values()), sum(self.best.values())
            self.journal.note(
                f"{self.name}: denoise and decode", plain_s=plain_s, best_s=best_s, gain=plain_s / best_s, **self.best
            )

    def _keep_best(self, stage: str, figures: dict[str, Any]) -> None:
        if figures:
            self.best[stage] = min(figures[stage], self.best.get(stage, float("inf")))

    @property
    def _drawer(self) -> Drawer:
        assert self.drawer
        return self.drawer


def machine(device: torch.device) -> dict[str, Any]:
    """Versions, and the card."""
    figures: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "device": device.type,
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        figures |= {"gpu": card.name, "memory_gib": card.total_memory / GIB, "cuda": torch.version.cuda}
        figures |= {"cudnn": torch.backends.cudnn.version()}
    return figures


def measure_ceilings(journal: Journal, sizes: Sizes, device: torch.device) -> str | None:
    """Returns the fastest attention kernel that a recipe may name, where torch's own choice is slower."""
    small = sizes.small
    heads, size = (small.transformer[each] for each in ("num_attention_heads", "attention_head_dim"))
    tokens = ((small.frames - 1) // 4 + 1) * (small.height // 16) * (small.width // 16)
    journal.attempt("ceiling: copy", lambda: ceilings.copying(device, size=sizes.copied), takes_s=2)
    journal.attempt("ceiling: product", lambda: ceilings.products(device, size=sizes.side), takes_s=2)
    attending = journal.attempt(
        "ceiling: attention, TFLOP/s",
        lambda: ceilings.attention(device, tokens=tokens, heads=heads, size=size, dtype=small.dtype),
        takes_s=3,
    )
    eighths = {"tokens": tokens // 16 * 16, "width": heads * size, "wide": small.transformer["ffn_dim"]}
    journal.attempt("ceiling: 8-bit product", lambda: ceilings.products_8_bit(device, **eighths), takes_s=2)
    found = {name: attending[name] for name in (OWN_CHOICE, *KERNELS) if isinstance(attending.get(name), float)}
    fastest = max(found, key=lambda name: found[name], default=OWN_CHOICE)
    return None if fastest == OWN_CHOICE else fastest


@torch.no_grad()
def read(architecture: Architecture, device: torch.device) -> dict[str, Any]:
    """A prompt through the text encoder, which is on the device for no longer than this."""
    reader = architecture.reader(device.type)
    words = torch.randint(0, architecture.text_encoder["vocab_size"], (1, PROMPT_TOKENS), device=device)
    taken, _ = seconds(lambda: reader(words, attention_mask=torch.ones_like(words)).last_hidden_state, device)
    return {"encode_prompt_s": taken, "weights_gib": sum(each.nbytes for each in reader.parameters()) / GIB}


def measure_eyes(journal: Journal, architecture: Architecture, device: torch.device) -> None:
    """Frames a second that pass through an eye, and how far they are from what a CPU makes of them."""

    def looked(eye: str) -> dict[str, Any]:
        optics = perspectives()[eye].optics
        clip = drifting_shapes(architecture, device)
        taken, seen = seconds(lambda: see(clip, optics, fps=architecture.fps), device)
        few = clip[:EYE_FRAMES]
        exact = see(few.cpu(), optics, fps=architecture.fps)
        differences = (see(few, optics, fps=architecture.fps).cpu() - exact).abs()
        return {
            "frames_s": len(seen) / taken,
            "clip_s": taken,
            "largest_difference": float(differences.max()),
            "mean_difference": float(differences.mean()),
            "beyond_a_256th": float((differences > 1 / 256).float().mean()),
        }

    for eye in EYES:
        journal.attempt(f"eye: {eye}", functools.partial(looked, eye), takes_s=4)


def drifting_shapes(architecture: Architecture, device: torch.device) -> torch.Tensor:
    """A clip ``(T, H, W, 3)`` of soft shapes that drift."""
    size = (architecture.height, architecture.width)
    small = torch.rand(1, 3, *(each // 16 + 1 for each in size), generator=torch.Generator().manual_seed(1))
    picture = torch.nn.functional.interpolate(small.to(device), size=size, mode="bicubic")[0].permute(1, 2, 0)
    return torch.stack([picture.roll(2 * at, dims=1) for at in range(architecture.frames)]).clamp(0, 1)
