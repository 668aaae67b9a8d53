"""The stages of the optics pass against the formulas that they come from, in linear light."""

from __future__ import annotations

from math import exp, pi
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from gpu_job.vision import acuity, deficiency, facets, field, flicker, low_light, receptors  # noqa: E402
from gpu_job.vision.light import luminance, to_display, to_linear  # noqa: E402
from shared.perspectives import perspectives  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.render

SIZES = [(480, 832), (96, 128), (37, 61)]


def noise(frames: int = 3, height: int = 24, width: int = 40, *, seed: int = 1) -> Tensor:
    """As light, ``(T, 3, H, W)``."""
    light: Tensor = torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return light


def colours(*rgb: tuple[float, float, float]) -> Tensor:
    """So many pixels of light, ``(1, 3, 1, n)``."""
    light: Tensor = torch.tensor(rgb).T.reshape(1, 3, 1, -1).contiguous()
    return light


# --- light ---


def test_light_and_display_values_are_each_others_inverse() -> None:
    values = torch.linspace(0, 1, 1001)
    assert torch.allclose(to_display(to_linear(values)), values, atol=1e-4)
    eight_bits = torch.arange(256) / 255
    assert torch.equal(to_display(to_linear(eight_bits)).mul(255).round(), torch.arange(256.0))


def test_light_is_what_the_standard_says() -> None:
    values = torch.linspace(0, 1, 4001)
    exact = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in values.tolist()]
    assert torch.allclose(to_linear(values), torch.tensor(exact), atol=1e-4)
    assert torch.allclose(to_display(torch.tensor(exact)), values, atol=1e-4)
    assert to_linear(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.0, 0.21404, 1.0], abs=5e-5)


def test_darker_light_is_never_shown_brighter() -> None:
    assert (to_display(torch.linspace(-0.1, 1.1, 100_001)).diff() >= 0).all()
    assert (to_linear(torch.linspace(0, 1, 100_001)).diff() >= 0).all()


# --- acuity ---


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("acuity_cpd", [0.4, 1.0, 3.0, 8.0])
def test_a_grating_keeps_the_contrast_that_the_formula_says(
    size: tuple[int, int], acuity_cpd: float, axis: int
) -> None:
    length = size[axis - 2]
    field_deg = 60.0
    degrees = field_deg * length / size[1]
    places = torch.arange(length) + 0.5
    tried = 0
    for half_waves in (1, 3, 8, 20, 45, 90, 200):
        frequency = half_waves / 2 / degrees
        kept = exp(-3.56 * (frequency / acuity_cpd) ** 2)
        if half_waves > length * 2 * acuity.FINEST or kept < 0.02:
            continue
        wave = torch.cos(pi * half_waves * places / length)
        shape = [1, 1, 1, 1]
        shape[axis] = length
        light = (0.5 + 0.4 * wave.view(shape)).expand(1, 3, *size).contiguous()
        seen = acuity.blur(light, acuity_cpd=acuity_cpd, field_deg=field_deg)
        contrast = float(((seen - 0.5) * wave.view(shape)).mean() / ((light - 0.5) * wave.view(shape)).mean())
        assert contrast == pytest.approx(kept, rel=0.01), half_waves
        tried += 1
    assert tried


@pytest.mark.parametrize("sigma_px", [0.02, 0.3, 1.0, 3.9, 4.1, 15.0, 200.0])
def test_blur_keeps_the_mean_and_what_is_even(sigma_px: float) -> None:
    light = noise()
    seen = acuity.gaussian(light, sigma_px=sigma_px)
    assert torch.allclose(seen.mean(dim=(2, 3)), light.mean(dim=(2, 3)), atol=2e-5)
    even = torch.full((1, 3, 24, 40), 0.3)
    assert torch.allclose(acuity.gaussian(even, sigma_px=sigma_px), even, atol=1e-5)


@pytest.mark.parametrize(("name", "value", "sigma_px"), [("WIDE_PX", 1.0, 4.0), ("FEW", 0, 1.2), ("FEW", 99, 7.0)])
def test_the_ways_to_blur_agree_where_one_takes_over_from_the_other(
    name: str, value: float, sigma_px: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = noise(1, 96, 128)
    one = acuity.gaussian(light, sigma_px=sigma_px)
    monkeypatch.setattr(acuity, name, value)
    assert torch.allclose(acuity.gaussian(light, sigma_px=sigma_px), one, atol=1e-3)


@pytest.mark.parametrize("sigma_px", [0.1, 0.18, 0.3, 0.5, 0.61, 0.8, 1.0, 1.3, 2.0, 3.1, 5.5, 8.1, 40.0])
def test_an_edge_gets_no_halo(sigma_px: float) -> None:
    edge = torch.zeros(1, 3, 40, 80)
    edge[..., 40:] = 1
    seen = acuity.gaussian(edge, sigma_px=sigma_px)
    assert (seen.diff(dim=3) >= -2e-5).all()
    assert -2e-5 <= seen.min() <= seen.max() <= 1 + 2e-5


@pytest.mark.parametrize(("acuity_cpd", "field_deg"), [(0, 60), (-1, 60), (3, 0)])
def test_an_acuity_or_field_that_is_none_is_refused(acuity_cpd: float, field_deg: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        acuity.blur(noise(), acuity_cpd=acuity_cpd, field_deg=field_deg)


# --- receptors ---

EYES = [each.optics.peaks_nm.values for each in perspectives().values() if each.optics.peaks_nm]


def test_a_persons_own_cones_change_nothing() -> None:
    assert torch.allclose(receptors.matrix(receptors.HUMAN_NM), torch.eye(3, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize("peaks_nm", EYES, ids=str)
def test_greys_stay_grey_and_as_bright_for_every_creature(peaks_nm: tuple[float, ...]) -> None:
    greys = colours(*[(grey / 10, grey / 10, grey / 10) for grey in range(11)])
    assert torch.allclose(receptors.project(greys, peaks_nm=peaks_nm), greys, atol=1e-5)


@pytest.mark.parametrize("peaks_nm", [eyes for eyes in EYES if sum(peak >= 400 for peak in eyes) == 2], ids=str)
def test_colours_that_excite_two_cones_alike_look_alike(peaks_nm: tuple[float, ...]) -> None:
    cones = receptors.excitations(tuple(peak for peak in peaks_nm if peak >= 400))
    hidden = torch.linalg.svd(cones).Vh[-1].float()  # of linear RGB: what neither cone feels
    middle = torch.tensor([0.4, 0.4, 0.4])
    step = 0.3 / float(hidden.abs().max())
    pair = torch.stack([middle + step * hidden, middle - step * hidden])
    assert 0 <= pair.min() < pair.max() <= 1
    seen = receptors.project(pair.T.reshape(1, 3, 1, 2), peaks_nm=peaks_nm)
    assert float((pair[0] - pair[1]).abs().max()) > 0.4
    assert torch.allclose(seen[..., 0], seen[..., 1], atol=1e-4)


def test_one_kind_of_cone_sees_no_colour() -> None:
    seen = receptors.project(noise(), peaks_nm=[475])
    assert torch.allclose(seen[:, :1].expand_as(seen), seen)


def test_a_pigment_sees_best_at_its_peak_and_half_as_well_some_forty_nm_off() -> None:
    for peak in (420.0, 500.0, 560.0):
        sensitivity = receptors.template(peak)
        assert float(receptors.WAVELENGTHS[sensitivity.argmax()]) == pytest.approx(peak, abs=1.0)
        wide = receptors.WAVELENGTHS[sensitivity > 0.5]
        assert 70 < float(wide[-1] - wide[0]) < 130


def test_an_eye_that_sees_nothing_of_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="anything of a picture"):
        receptors.matrix((350.0,))


# --- colour deficiency ---


@pytest.mark.parametrize("kind", ["protan", "deutan", "tritan"])
@pytest.mark.parametrize("severity", [0.0, 0.35, 0.6, 1.0])
@pytest.mark.filterwarnings("ignore:.*approximation to the actual phenomenon")  # as the docstring of ours says
def test_colour_deficiency_is_that_of_colour_science(kind: str, severity: float) -> None:
    """To the last digit at tenths. Between them 0.3 to 0.5 apart: theirs draws the line of the next two tenths on."""
    colour = pytest.importorskip("colour")
    name = {"protan": "Protanomaly", "deutan": "Deuteranomaly", "tritan": "Tritanomaly"}[kind]
    light = noise(1)
    seen = deficiency.confuse(light, kind=kind, severity=severity)
    theirs = torch.as_tensor(colour.matrix_cvd_Machado2009(name, severity))
    expected = (theirs.float() @ light.flatten(2)).clamp(0, 1)
    to_xyz = colour.RGB_COLOURSPACES["sRGB"].matrix_RGB_to_XYZ
    one, other = (colour.XYZ_to_Lab(each.flatten(2)[0].T.double().numpy() @ to_xyz.T) for each in (seen, expected))
    assert float(colour.delta_E(one, other, method="CIE 2000").max()) < 1


@pytest.mark.parametrize(("kind", "severity"), [("protan", 1.1), ("protan", -0.1), ("other", 1.0)])
def test_a_deficiency_that_there_is_not_is_refused(kind: str, severity: float) -> None:
    with pytest.raises(ValueError, match="no deficiency"):
        deficiency.matrix(kind, severity)


# --- field ---


def test_the_middle_of_a_field_stays_where_it_is_and_its_edges_are_drawn_in() -> None:
    places = torch.linspace(0, 1, 101).expand(1, 3, 51, 101).contiguous()
    seen = field.equal_angles(places, field_deg=90)[0, 0, 25]
    assert float(seen[50]) == pytest.approx(0.5, abs=1e-3)
    # half of the angle to the edge is tan(22.5 degrees) of the way on a camera's picture
    assert float(seen[75]) - 0.5 == pytest.approx(0.5 * 0.4142, abs=0.01)
    assert float(seen[-1]) == pytest.approx(1.0, abs=0.02)


def test_eyes_at_the_sides_see_two_pictures_that_overlap_in_front() -> None:
    places = torch.linspace(0, 1, 201).expand(1, 3, 9, 201).contiguous()
    seen = field.sideways(places, overlap=0.2)[0, 0, 4]
    left, right = seen[:90], seen[111:]
    assert float(left[-1]) == pytest.approx(0.6 * 90 / 100, abs=0.02)
    assert float(right[0]) == pytest.approx(1 - 0.6 * 90 / 100, abs=0.02)
    assert float(seen[100]) < 0.01


def test_it_grows_dark_where_a_field_ends_and_not_before() -> None:
    white = torch.ones(1, 3, 40, 80)
    assert torch.equal(field.vignette(white, field_deg=60, eye_deg=200), white)
    seen = field.vignette(white, field_deg=90, eye_deg=60)
    assert float(seen[0, 0, 20, 40]) == 1
    assert float(seen[0, 0, 20, 0]) == 0


# --- facets ---


@pytest.mark.parametrize(("angle_deg", "field_deg"), [(2.0, 100.0), (4.0, 110.0), (6.0, 60.0)])
def test_as_many_facets_look_as_their_angle_leaves_room_for(angle_deg: float, field_deg: float) -> None:
    height, width = 480, 832
    degrees = field_deg**2 * height / width
    expected = degrees / (angle_deg**2 * 3**0.5 / 2)
    found = facets.facet_count(height, width, angle_deg=angle_deg, field_deg=field_deg)
    pitch_px = angle_deg * width / field_deg
    assert expected <= found <= expected + 2 * (width + height) / pitch_px  # those at the edges are cut


def test_a_facet_shows_one_colour() -> None:
    seen = facets.raster(noise(1, 60, 80), angle_deg=10.0, field_deg=80.0)
    hues = seen / seen.amax(dim=1, keepdim=True)
    found = set(map(tuple, hues.flatten(2)[0].T.mul(1e4).round().tolist()))
    assert len(found) <= facets.facet_count(60, 80, angle_deg=10.0, field_deg=80.0)


def test_facets_that_no_frame_can_show_are_refused() -> None:
    with pytest.raises(ValueError, match="smaller than a pixel"):
        facets.raster(noise(), angle_deg=1.0, field_deg=100.0)


# --- time and low light ---


@pytest.mark.parametrize("fusion_hz", [5.0, 10.0, 30.0, 60.0])
def test_flicker_keeps_the_contrast_that_the_formula_says(fusion_hz: float) -> None:
    fps, hertz = 60.0, 5.0
    wave = torch.cos(2 * pi * hertz * torch.arange(600) / fps).view(-1, 1, 1, 1)
    light = (0.5 + 0.4 * wave).expand(600, 3, 1, 1)
    seen = torch.cat(list(flicker.run_together(torch.split(light, 7), fusion_hz=fusion_hz, fps=fps)))[100:500]
    contrast = float(((seen - 0.5) * wave[100:500]).mean() / ((light[100:500] - 0.5) * wave[100:500]).mean())
    assert contrast == pytest.approx(exp(-3.56 * (hertz / fusion_hz) ** 2), rel=0.01)


def test_what_stands_still_does_not_flicker() -> None:
    still = noise(1).expand(12, -1, -1, -1)
    assert torch.allclose(torch.cat(list(flicker.run_together([still], fusion_hz=12, fps=16))), still, atol=1e-6)


def test_an_eye_for_the_dark_raises_dark_parts_and_by_day_hardly_anything() -> None:
    dark = torch.full((1, 3, 4, 4), 0.01)
    assert float(low_light.gather(dark, threshold=0.2, adapted_to=0.0)[0, 0, 0, 0]) == pytest.approx(0.05, rel=0.05)
    assert float(low_light.gather(dark, threshold=0.2, adapted_to=0.5)[0, 0, 0, 0]) < 0.014
    assert float(low_light.gather(torch.ones(1, 3, 1, 1), threshold=0.2, adapted_to=0.0).max()) == pytest.approx(1.0)


def test_the_dark_has_no_colour() -> None:
    red, bright = colours((0.01, 0.001, 0.001)), colours((0.9, 0.1, 0.1))

    def colourful(light: Tensor) -> float:
        return float((light.amax(1) - light.amin(1)) / light.amax(1))

    assert colourful(low_light.pale(red, threshold=1.0)) < 0.4 * colourful(red)
    assert colourful(low_light.pale(bright, threshold=1.0)) > 0.9 * colourful(bright)
    assert torch.allclose(luminance(low_light.pale(red, threshold=1.0)), luminance(red))


def test_photons_make_noise_that_has_no_colour_and_leaves_black_black() -> None:
    dark = torch.full((2, 3, 100, 100), 0.01)
    seen = low_light.grain(dark, threshold=1.0, first=0)
    assert torch.equal(seen[:, :1].expand_as(seen), seen)
    assert float(seen[:, 0].std()) == pytest.approx(low_light.GRAIN * 0.5**0.5, rel=0.03)
    assert not torch.equal(seen[0], seen[1])
    black = torch.zeros_like(dark)
    assert torch.equal(low_light.grain(black, threshold=1.0, first=0), black)
