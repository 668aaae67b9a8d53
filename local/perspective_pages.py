"""Pages of the documentation about perspectives. Enters: the catalogue. Leaves: Markdown, a page each and an index.

A page says how somebody sees, in plain words; every number of it with its unit and where it comes from; what of that is
simulated, and what is not. All of it follows from the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.optics import Deficiency, Eyes, Figure, Heat, Lens, Peaks, Scotoma
from shared.perspectives import Perspective, perspectives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.optics import Sourced

FOLDER = "docs/perspectives"
#: Pictures hold no light that is shorter, in nm.
VISIBLE_NM = 400
#: What a person with good eyes resolves, in cycles per degree (Caves & Johnsen 2018).
PERSON_CPD = 60
#: Of rendered clips: the widest in pixels, and the most frames a second, of the catalogue's models.
FRAME_PX, FPS = 1280, 24

PLURALS = {
    "mammal": "Mammals",
    "bird": "Birds",
    "fish": "Fishes",
    "reptile": "Reptiles",
    "mollusc": "Molluscs",
    "insect": "Insects",
    "human": "People",
    "thing": "Things: games, with no claim to science",
}
#: What each number is, and what is done with it.
MEANING = {
    "acuity_cpd": (
        "finest grating that it resolves",
        "Detail: fine waves fade by `exp(-3.56 (f / acuity)²)` (Caves & Johnsen 2018, Methods Ecol. Evol. 9:793).",
    ),
    "peaks_nm": (
        "wavelengths at which its kinds of cones see best",
        "Colour: what its cones tell apart, people tell apart too (Govardovskii et al. 2000, Vis. Neurosci. 17:509).",
    ),
    "deficiency": (
        "colour deficiency",
        "Colour: Machado, Oliveira & Fernandes 2009 (IEEE Trans. Vis. Comput. Graph. 15:1291).",
    ),
    "saturation": ("strength of colours, by that of a person", "Colour: all colours are made weaker or stronger."),
    "contrast": (
        "contrast of what is near to each other, by that of a person",
        "Contrast: what is near to each other is made more alike.",
    ),
    "field_deg": (
        "horizontal field of both eyes together",
        "Field: columns and rows are angles, as for an eye, not as for a camera.",
    ),
    "eyes": (
        "part of its field that both eyes see",
        "Field: two pictures, one of each eye. Both show as large a part of the frame as both see of the whole field.",
    ),
    "facets_deg": (
        "angle between two neighbouring facets",
        "Facets: a raster of hexagons, each in the colour of what lies within its angle. Nothing finer is seen.",
    ),
    "fusion_hz": (
        "frequency at which flicker runs together",
        "Time: what changes faster is mixed with what was before and comes after; how gradually is an estimate.",
    ),
    "threshold": (
        "least light that it sees, by that of a person",
        "Dim light: dark parts are raised, have little colour, and show the noise of single photons.",
    ),
    "lens": (
        "its lens",
        "Lens: part of the light is lost, by colour, and part is scattered over all that is seen.",
    ),
    "scotoma": ("radius of the blind spot in the middle", "Blind spot: the middle is grey, with a soft edge."),
    "heat": (
        "its organ for warmth",
        "Warmth: **false colour**. Bright and red counts as warm, and is blurred as much as the organ does.",
    ),
}
NOT_SIMULATED = (
    "It is a simulation of optics and receptors, not of experience: nobody knows what it is like.",
    "A picture holds red, green and blue, no ultraviolet, no warmth and no polarised light.",
    "Blur can't show more detail than a frame has; nor can a display show more light or colour than it does.",
    "The same sharpness everywhere: no centre of the view, no focus near or far, no movements of the eyes.",
)


def pages() -> dict[str, str]:
    """Text of each page by its path in the repository."""
    return {f"{FOLDER}/{each.id}.md": _page(each) for each in perspectives().values()} | {
        f"{FOLDER}/README.md": _index()
    }


def _index() -> str:
    lines = [
        "# How they see",
        "",
        "One picture, as a camera and as everybody in the catalogue sees it (`make plate`). Two who see far get the",
        "middle of it, since blur can't show more detail than a frame has.",
        "",
        "![A red butterfly among flowers, and the same as everybody sees it](../pictures/plate.jpg)",
        "",
        "Each page has the numbers of an eye, who measured them or why they are estimates, and what is simulated and",
        "what is not. The numbers lie in `shared/catalogue/perspectives`, a file each; `make docs` writes these pages",
        "from them. To see a picture or video of your own: `lifeasnotme see curious-cat photo.jpg`.",
        "",
    ]
    for kind, plural in PLURALS.items():
        of_kind = [each for each in perspectives().values() if each.kind == kind]
        if of_kind:
            lines += [f"## {plural}", "", "| who | how they see |", "|---|---|"]
            lines += [f"| [{each.name}]({each.id}.md) | {each.sight} |" for each in of_kind] + [""]
    lines += ["## What none of it is", "", *(f"- {limit}" for limit in NOT_SIMULATED)]
    return "\n".join(lines) + "\n"


def _page(perspective: Perspective) -> str:
    optics, camera = perspective.optics, perspective.camera
    lines = [
        f"# {perspective.name}",
        "",
        f"{perspective.summary} {perspective.sight}",
        "",
        f"Kind: {perspective.kind}. In a clip its eyes are {camera.height_m:g} m above the ground; it {camera.motion}.",
        "",
        "| number | value | where it comes from |",
        "|---|---|---|",
        f"| angle that a frame spans horizontally | {optics.frame_deg:g}° | chosen, as a camera's lens is |",
        *(
            f"| {MEANING[name][0]} | {_value(figure, name)} | {_origin(figure)} |"
            for name, figure in optics.figures.items()
        ),
        "",
        "## Simulated",
        "",
        *(f"- {MEANING[name][1]}" for name in optics.figures if not (name == "acuity_cpd" and optics.facets_deg)),
        "",
        "## Not simulated",
        "",
        *(f"- {limit}" for limit in (*_limits(perspective), *NOT_SIMULATED)),
        "",
        "[All perspectives](README.md)",
    ]
    return "\n".join(lines) + "\n"


def _origin(figure: Sourced) -> str:
    return figure.source or f"estimate: {figure.estimate}"


def _value(figure: Sourced, name: str) -> str:
    match figure:
        case Figure():
            units = {"cpd": " cycles per degree", "deg": "°", "hz": " Hz"}
            shown = f"{figure.value:g}{units.get(name.rsplit('_', 1)[-1], ' times')}"
        case Peaks():
            shown = ", ".join(f"{peak:g}" for peak in figure.values) + " nm"
        case Deficiency():
            shown = f"{figure.kind}, severity {figure.severity:g} of 1"
        case Eyes():
            shown = f"{figure.binocular_deg:g}°"
        case Lens():
            red, green, blue = (f"{part:.0%}" for part in figure.passes)
            shown = f"passes {red} of red, {green} of green, {blue} of blue light; scatters {figure.veil:.0%}"
        case Scotoma():
            shown = f"{figure.radius_deg:g}°"
        case Heat():
            shown = f"{figure.acuity_cpd:g} cycles per degree; {figure.share:.0%} of what is shown"
        case _:
            msg = f"{name} is written nowhere here."
            raise TypeError(msg)
    return shown


def _limits(perspective: Perspective) -> Iterator[str]:
    """What this eye does that is not shown."""
    optics = perspective.optics
    if perspective.playful:
        yield "A game: nothing of it was measured."
    if optics.peaks_nm:
        yield from _limits_of_colour(optics.peaks_nm)
    most_cpd = FRAME_PX / 2 / optics.frame_deg
    if optics.acuity_cpd and optics.acuity_cpd.value > most_cpd:
        yield f"Its detail: a frame {FRAME_PX} pixels wide holds no more than {most_cpd:.1f} cycles per degree."
    if optics.acuity_cpd and optics.acuity_cpd.value > PERSON_CPD:
        yield f"Its detail to somebody who resolves {PERSON_CPD} cycles per degree: one has to go nearer to the screen."
    if optics.field_deg and optics.field_deg.value > optics.frame_deg:
        yield f"Its whole field: a frame shows {optics.frame_deg:g}° of {optics.field_deg.value:g}°."
    if optics.eyes:
        yield "Where its eyes really look: a frame spans less than they see, and stands for all of it."
    if optics.facets_deg:
        yield "A facet's own size: over a real eye it varies."
    if optics.fusion_hz:
        yield f"Its speed: a video of {FPS} frames a second holds no flicker above {FPS / 2:g} Hz."
    if optics.threshold:
        yield (
            "Real darkness: a display shows some hundred to one, an eye gets used to a million to one. Where colour "
            "fades and how strong the noise is are estimates."
        )


def _limits_of_colour(peaks: Peaks) -> Iterator[str]:
    hidden = [peak for peak in peaks.values if peak < VISIBLE_NM]
    seen = [peak for peak in peaks.values if peak >= VISIBLE_NM]
    if hidden:
        yield f"Ultraviolet, which its cones at {', '.join(f'{peak:g}' for peak in hidden)} nm see."
    match len(seen):
        case 1:
            yield "Colour: of its cones a picture reaches one, so that all is grey."
        case 2:
            yield "The colours themselves: two kinds of cones are shown as blue and yellow, for want of knowing better."
        case _:
            others = f" Of {len(seen)}, that at {min(seen):g} nm is left out." if len(seen) > 3 else ""  # noqa: PLR2004
            yield f"The colours themselves: its cones take the places of a person's three, so that hues shift.{others}"
