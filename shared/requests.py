"""From a wish to what decides the pixels. Enters: a caller's JSON. Leaves: `Request`, `RenderSpec`, `render_key`.

The render key is a hash of the canonical render spec: the same key is the same wish, so it is rendered once.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, LiteralString

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from shared.errors import ErrorCode, Rejected, faults_of
from shared.models import Adapter, Model, Sampler, models
from shared.optics import OPTICS_VERSION, Optics
from shared.perspectives import perspectives
from shared.recipes import Recipe
from shared.themes import themes

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Longest free prompt in characters: what a 512-token text encoder can hold in most scripts.
MAX_PROMPT_CHARS = 1000
#: Largest request in bytes: a longest prompt with every character escaped (12 bytes), and room for the rest.
MAX_BODY_BYTES = 16 * 1024
#: Seeds are 32 bits wide, so that a JavaScript client can hold them exactly.
MAX_SEED = 2**32 - 1
#: Raised when `render_key` itself changes.
RENDER_KEY_SCHEMA = 1
PUBLIC = "public"
#: Fields of a spec that the first render keys knew nothing of.
_CAME_LATER = ("pipeline_class", "pipeline_config", "sampler")


class Priority(StrEnum):
    """Who goes first."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Request(BaseModel):
    """What a caller asks. Everything but the perspective has a default.

    Whether the catalogues and the deployment know what it names is checked by `parse_request` alone: a stored request
    stays readable after an entry has left the catalogue.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    perspective: str
    """Id of a perspective of the catalogue."""
    prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)] | None = None
    """What happens in front of the eyes; a default scene when absent."""
    theme: str | None = None
    """Id of a theme of the catalogue."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    """Drawn from a small pool when absent, so that popular wishes are often ready at once."""
    model: str | None = None
    """Id of a model that this deployment serves."""
    size: str | None = None
    """``WIDTHxHEIGHT`` in pixels, one of those that the model can do."""
    seconds: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Length of the clip, one of those that the model can do."""
    priority: Priority = Priority.INTERACTIVE
    """Who goes first when there is a queue."""

    @field_validator("prompt")
    @classmethod
    def _prompt_is_text(cls, prompt: str | None, info: ValidationInfo) -> str | None:
        """Normalise to NFC with single spaces, so that equal words are equal wishes."""
        if prompt is None:
            return None
        words = " ".join(unicodedata.normalize("NFC", prompt).split())
        if any(unicodedata.category(char) in {"Cc", "Cs"} for char in words):
            raise PydanticCustomError("control_characters", "must not hold control characters")
        offer = _offer(info)
        most = offer.max_prompt_chars if offer else MAX_PROMPT_CHARS
        if len(words) > most:  # NFC makes three characters of some: what is stored must stay readable
            raise PydanticCustomError("string_too_long", "must have at most {most} characters", {"most": most})
        return words or None

    @field_validator("perspective")
    @classmethod
    def _perspective_is_known(cls, perspective: str, info: ValidationInfo) -> str:
        return _one_of(perspective, perspectives(), "unknown_perspective") if _offer(info) else perspective

    @field_validator("theme")
    @classmethod
    def _theme_is_known(cls, theme: str | None, info: ValidationInfo) -> str | None:
        return _one_of(theme, themes(), "unknown_theme") if theme is not None and _offer(info) else theme

    @field_validator("model")
    @classmethod
    def _model_is_served(cls, model: str | None, info: ValidationInfo) -> str | None:
        offer = _offer(info)
        return _one_of(model, offer.served, "model_not_served") if model is not None and offer else model

    @field_validator("size")
    @classmethod
    def _model_can_do_size(cls, size: str | None, info: ValidationInfo) -> str | None:
        model = _chosen_model(info)
        return _one_of(size, map(str, model.sizes), "unsupported_size") if size is not None and model else size

    @field_validator("seconds")
    @classmethod
    def _model_can_do_seconds(cls, seconds: float | None, info: ValidationInfo) -> float | None:
        model = _chosen_model(info)
        if seconds is not None and model:
            known = {each.seconds: f"{each.seconds:g}" for each in model.lengths}
            _one_of(known.get(seconds, ""), known.values(), "unsupported_seconds")
        return seconds


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a deployment offers: the models it serves, the first being the default, and how many seeds it draws from."""

    served: tuple[str, ...]
    seed_pool: int
    #: Longest free prompt that it takes; no longer than `MAX_PROMPT_CHARS`.
    max_prompt_chars: int = MAX_PROMPT_CHARS

    def model(self, model_id: str | None) -> Model:
        """The model of that id, or the default."""
        return models()[model_id or self.served[0]]


class RenderSpec(BaseModel):
    """The request with every default filled in: all that decides the pixels, and nothing else.

    But for the eye, whose numbers say where they come from; the render key leaves that out.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )

    scope: str
    """``public`` when there is no free prompt, else the owner: a private prompt is never shared."""
    perspective: str
    perspective_version: int
    theme: str | None
    theme_version: int | None
    prompt: str
    """The full prompt."""
    negative_prompt: str
    seed: int
    model: str
    model_version: int
    model_source: str
    model_revision: str
    pipeline_class: str | None = None
    """Class of the pipeline; null: what its folder says."""
    pipeline_config: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Options of that class that the folder does not tell."""
    adapters: tuple[Adapter, ...] = ()
    """Adapters on top of the model, such as few-step LoRAs."""
    sampler: Sampler | None = None
    """How few-step models are sampled; null: by the pipeline's own scheduler."""
    recipe: Annotated[Recipe, BeforeValidator(lambda recipe: {} if recipe == "plain" else recipe)] = Recipe()
    """What makes it faster: changes bits, so it is part of the key. Specs that were stored before there were levers
    have the word ``plain`` here."""
    dtype: Literal["float32", "bfloat16", "float16"]
    frames: int
    width: int
    height: int
    fps: int
    steps: int
    guidance: float
    optics: Optics | None = None
    """The eye that the frames pass through; null: as drawn."""
    optics_version: int = OPTICS_VERSION
    """Version of that pass."""


def parse_request(body: bytes | str, *, offer: Offer) -> Request:
    """Validate a request at the door.

    Raises:
        Rejected: ``malformed_request`` when it is no JSON, else ``invalid_request`` with every fault at once.
    """
    try:
        return Request.model_validate_json(body, strict=True, context={"offer": offer})
    except ValidationError as exc:
        faults = faults_of(exc)
        if [fault.code for fault in faults] == ["json_invalid"]:
            raise Rejected(f"The body is not JSON. {faults[0].message}", code=ErrorCode.MALFORMED_REQUEST) from exc
        raise Rejected("The request has faults.", faults=faults) from exc


def fill_in(request: Request, *, job_id: str, offer: Offer) -> Request:
    """The request with its defaults made explicit.

    The seed is a function of the job id: a redelivery draws the same.
    """
    model = offer.model(request.model)
    drawn = int.from_bytes(hashlib.sha256(f"seed/{job_id}".encode()).digest()[:8]) % offer.seed_pool
    return request.model_copy(
        update={
            "seed": drawn if request.seed is None else request.seed,
            "model": model.id,
            "size": request.size or str(model.sizes[0]),
            "seconds": request.seconds or model.lengths[0].seconds,
        }
    )


def render_spec(request: Request, *, owner: str, offer: Offer) -> RenderSpec:
    """All that decides the pixels of a filled-in request."""
    perspective = perspectives()[request.perspective]
    theme = themes()[request.theme] if request.theme else None
    model = offer.model(request.model)
    seed = request.seed or 0
    size = next(each for each in model.sizes if str(each) == request.size)
    length = next(each for each in model.lengths if each.seconds == request.seconds)
    scene = request.prompt or perspective.scenes[seed % len(perspective.scenes)]
    prompt = perspective.prompt.replace("{scene}", scene)
    return RenderSpec(
        scope=owner if request.prompt else PUBLIC,
        perspective=perspective.id,
        perspective_version=perspective.version,
        theme=theme.id if theme else None,
        theme_version=theme.version if theme else None,
        prompt=f"{prompt}, {theme.words}" if theme else prompt,
        negative_prompt=model.negative_prompt,
        seed=seed,
        model=model.id,
        model_version=model.version,
        model_source=model.source,
        model_revision=model.revision,
        pipeline_class=model.pipeline_class,
        pipeline_config=model.pipeline_config,
        adapters=model.adapters,
        sampler=model.sampler,
        recipe=model.recipe,
        dtype=model.dtype,
        frames=length.frames,
        width=size.width,
        height=size.height,
        fps=model.fps,
        steps=model.steps,
        guidance=model.guidance,
        optics=perspective.optics,
    )


def render_key(spec: RenderSpec) -> str:
    """40 hex digits of the SHA-256 of the canonical spec: sorted keys, no spaces, UTF-8. Of an eye, its numbers.

    What came to the spec later and is not set is left out, so that older specs keep their keys.
    """
    unset = {name for name in _CAME_LATER if not getattr(spec, name)}
    canonical: dict[str, Any] = {
        "schema": RENDER_KEY_SCHEMA,
        **spec.model_dump(mode="json", exclude={"optics"} | unset),
    }
    canonical["recipe"] = spec.recipe.levers or "plain"  # a lever that is added one day and is off moves no key
    if spec.optics is not None:
        canonical["optics"] = spec.optics.numbers
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _one_of(value: str, known: Iterable[str], code: LiteralString) -> str:
    known = list(known)
    if value not in known:
        raise PydanticCustomError(code, "must be one of: {known}", {"known": ", ".join(known)})
    return value


def _offer(info: ValidationInfo) -> Offer | None:
    """The deployment's offer, which `parse_request` alone hands to the validators."""
    offer: Offer | None = (info.context or {}).get("offer")
    return offer


def _chosen_model(info: ValidationInfo) -> Model | None:
    """The model whose figures bind the request; None where the model itself is at fault."""
    offer = _offer(info)
    return offer.model(info.data["model"]) if offer and "model" in info.data else None
