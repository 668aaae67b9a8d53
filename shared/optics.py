"""Optics: how a creature's eye sees, in numbers that say where they come from. Enters: part of a perspective's file.

Nothing here computes: `gpu_job.vision` does. What is absent is off: an eye without a line here sees as a camera does.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Raised when `gpu_job.vision` makes other pixels of the same numbers than before; 0 is none at all.
OPTICS_VERSION: Final = 1

Degrees = Annotated[float, Field(gt=0, le=360)]
Part = Annotated[float, Field(ge=0, le=1)]


class _Fixed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Sourced(_Fixed):
    """What every number says: who measured it, or why it is a guess."""

    source: Annotated[str, Field(min_length=8)] | None = None
    """Author, year, where."""
    estimate: Annotated[str, Field(min_length=8)] | None = None
    """Why this number, where nobody is known to have measured it."""

    @model_validator(mode="after")
    def _says_where_it_comes_from(self) -> Self:
        if (self.source is None) == (self.estimate is None):
            msg = "needs a source or an estimate, one of them"
            raise ValueError(msg)
        return self


class Figure(Sourced):
    """A number."""

    value: Annotated[float, Field(gt=0)]


class Peaks(Sourced):
    """Wavelengths in nm at which an eye's kinds of cones see best."""

    values: Annotated[tuple[Annotated[float, Field(ge=300, le=700)], ...], Field(min_length=1, max_length=6)]


class Deficiency(Sourced):
    """A person's colour deficiency, as Machado, Oliveira & Fernandes 2009 (IEEE TVCG 15:1291) have it."""

    kind: Literal["protan", "deutan", "tritan"]
    """Of the long, middle, short cones."""
    severity: Part
    """1: the cones are missing."""


class Eyes(Sourced):
    """Eyes at the sides of a head."""

    binocular_deg: Degrees
    """That both see."""


class Lens(Sourced):
    """A lens that has yellowed and scatters."""

    passes: tuple[Part, Part, Part]
    """Part of red, green, blue light that reaches the retina."""
    veil: Part
    """Part of the light that is scattered over the whole field."""


class Scotoma(Sourced):
    """A blind spot in the middle, where one looks."""

    radius_deg: Degrees


class Heat(Sourced):
    """An organ that sees warmth, which no picture holds: shown is false colour, made of brightness and redness."""

    acuity_cpd: Annotated[float, Field(gt=0)]
    share: Part
    """Of the false colour in what is seen."""


class Optics(_Fixed):
    """One eye."""

    frame_deg: Annotated[float, Field(gt=0, lt=170)]
    """Angle that the rendered frame is declared to span horizontally. Narrow for eyes that see far."""
    acuity_cpd: Figure | None = None
    """Finest grating that it resolves, in cycles per degree."""
    peaks_nm: Peaks | None = None
    deficiency: Deficiency | None = None
    saturation: Figure | None = None
    """Of colours, by that of a person."""
    contrast: Figure | None = None
    """Of what is near to each other, by that of a person."""
    field_deg: Figure | None = None
    """Horizontal field of both eyes together."""
    eyes: Eyes | None = None
    facets_deg: Figure | None = None
    """Angle between two neighbouring facets of a compound eye."""
    fusion_hz: Figure | None = None
    """Frequency at which flicker runs together."""
    threshold: Figure | None = None
    """Least light that it sees, by that of a person: below 1 sees in the dark."""
    lens: Lens | None = None
    scotoma: Scotoma | None = None
    heat: Heat | None = None

    @model_validator(mode="after")
    def _knows_one_kind_of_colour(self) -> Self:
        if self.peaks_nm and self.deficiency:
            msg = "has cones of its own or a person's deficiency, not both"
            raise ValueError(msg)
        return self

    @property
    def figures(self) -> dict[str, Sourced]:
        """Every number that says where it comes from, by its field."""
        return {name: found for name in type(self).model_fields if isinstance(found := getattr(self, name), Sourced)}

    @property
    def numbers(self) -> dict[str, Any]:
        """All that decides pixels: what is on, without the words that say where it comes from. Ready for JSON."""
        words = {name: set(Sourced.model_fields) for name in self.figures}
        return self.model_dump(mode="json", exclude_none=True, exclude=words)
