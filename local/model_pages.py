"""The page of the documentation about models. Enters: the catalogue. Leaves: Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.models import Model, models

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "docs/models.md"

HEAD = """# Models

What a deployment can render with. A request picks one by `model`. `SERVED_MODELS` says which a deployment serves, to
the API and to the workers alike; the first is what a request gets that names none. Everything else is refused at the
door, with what there is. Written by `make docs` from [shared/catalogue/models](../shared/catalogue/models): add a file
there, and it can be served.
"""
FOOT = """## How a model is loaded

`source` is a folder under `MODELS_DIR`, or else a hub id. `owner/name` may be a folder in a folder: a copy of a hub's
model stands in for it. In a video's receipt, `seconds` splits `load` into `download` (fetching), `read` (files into
memory) and `move` (onto the device); `compile` happens within `denoise` or `decode`. The log has the same when a model
is loaded (`"action": "load"`) and when a video is committed (`"action": "commit"`).

On a GPU, models stay loaded while there is room; the one that was not used for longest goes first. On a CPU, one stays.
With `WARM_UP` set, a worker loads the first of `SERVED_MODELS` and draws a clip before it asks for work. When it is
ready it says so in its log (`"action": "ready"`), and creates `READY_FILE` where that is set, for a probe.

`MODELS_DIR` may be a bucket mounted by Cloud Storage FUSE:

- Weights are mapped into memory and touched here and there, which such a mount answers with one small request after
  another. So a worker first reads them ahead, in large pieces, many at once, and the kernel keeps them. Give the pod
  memory for that.
- Mount it read-only and with `implicit-dirs`. Without, a folder that nobody made by hand does not exist.
- Where `MODELS_DIR` itself is missing, or a file can't be read, the render is tried again later. A mount that is not
  there yet but whose folder is looks like an empty one: let the pod wait for its mount.
- Put a new version beside the old one. A file that is replaced while it is read fails the load.

## Speed

The table `[recipe]` of a model's file says which levers make it faster, and `[gains]` what each was measured to gain on
a GPU; without that a lever can't be on. [performance.md](performance.md) has what was measured.

## Memory

The figures are what a GPU needs: `whole`, or `by parts`, where the parts wait in the machine's own memory until each
one's turn comes, which is slower. Before it loads or draws, a worker compares them with what its GPU has, less 1 GB,
and chooses. What fits neither way fails at once, with the clips that would fit. Where memory runs out all the same, the
render begins again, once, with everything that saves memory, decoding in tiles too; where it runs out even so, the job
fails and says that a smaller or shorter clip may do.
"""


def page() -> str:
    """The whole page."""
    lines = [
        "| id | licence | sizes | length | steps, guidance | dtype | whole | by parts | run on |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(model) for model in models().values()),
    ]
    sections = [line for model in models().values() for line in section(model)]
    return "\n".join([HEAD, *lines, "", *sections, FOOT])


def _row(model: Model) -> str:
    cells = [
        f"`{model.id}`",
        model.licence,
        ", ".join(str(size) for size in model.sizes),
        ", ".join(f"{each.seconds:g} s ({each.frames})" for each in model.lengths) + f" at {model.fps}/s",
        f"{model.steps}, {f'{model.guidance:g}' if model.guidance > 1 else 'none'}",
        model.dtype,
        f"{model.memory.weights_gb + model.memory.clip_gb:.3g} GB",
        f"{model.memory.largest_gb + model.memory.clip_gb:.3g} GB",
        ", ".join(model.tested_on) or "nothing yet",
    ]
    return f"| {' | '.join(cells)} |"


def section(model: Model) -> Iterator[str]:
    """What the page tells of one model."""
    where = f"[{model.source}](https://huggingface.co/{model.source})" if "/" in model.source else f"`{model.source}`"
    yield f"## `{model.id}`\n"
    yield f"{model.name}. {model.summary}\n"
    yield f"- From {where}, revision `{model.revision}`; loaded as `{model.pipeline_class}`."
    for adapter in model.adapters:
        yield (
            f"- With [{adapter.source}](https://huggingface.co/{adapter.source}), `{adapter.file}`, revision "
            f"`{adapter.revision}`, in its `{adapter.part}`."
        )
    if model.sampler:
        noise = ", and fresh noise between steps" if model.sampler.fresh_noise else ""
        yield f"- Noise levels {', '.join(f'{sigma:g}' for sigma in model.sampler.sigmas)}{noise}."
    for lever, gain in model.gains.items():
        if lever in model.recipe.levers:
            yield f"- Faster by `{lever}`: {gain}."
    source = model.memory.source or f"estimate: {model.memory.estimate}"
    yield (
        f"- Memory: {model.memory.weights_gb:g} GB of weights, {model.memory.largest_gb:g} GB the largest part, "
        f"{model.memory.clip_gb:g} GB for {model.clips[0]} ({source}).\n"
    )
