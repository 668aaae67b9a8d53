"""The benchmark of rendering: what it builds has the size of the real models, and what it prints can be believed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.architectures import TINY, TINY_5B, WAN_1_3B, WAN_5B, Architecture  # noqa: E402
from bench.drawer import Drawer  # noqa: E402
from bench.journal import Journal  # noqa: E402
from bench.likeness import psnr, ssim  # noqa: E402
from bench.render_gpu import DecoderLevers, Subject  # noqa: E402
from bench.render_tables import LEVERS, TOGETHER, measure  # noqa: E402
from bench.subjects import wan  # noqa: E402
from bench.whole_render import measure_whole  # noqa: E402
from shared.models import models  # noqa: E402
from shared.recipes import Recipe  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.render


@pytest.mark.parametrize(
    ("architecture", "transformer", "vae"), [(WAN_1_3B, 1.42e9, 0.127e9), (WAN_5B, 5.0e9, 0.705e9)], ids=["1.3B", "5B"]
)
def test_full_size_is_that_of_the_real_models(architecture: Architecture, transformer: float, vae: float) -> None:
    pipe = architecture.pipeline_without_reader("meta")
    assert pipe.transformer.num_parameters() == pytest.approx(transformer, rel=0.01)
    assert pipe.vae.num_parameters() == pytest.approx(vae, rel=0.01)
    assert architecture.height % (pipe.vae_scale_factor_spatial * 2) == 0
    assert architecture.reader("meta").num_parameters() == pytest.approx(5.68e9, rel=0.01)


def test_likeness_is_perfect_for_equal_clips_and_known_for_others() -> None:
    clip = np.random.default_rng(1).random((2, 16, 16, 3), dtype=np.float32)
    assert psnr(clip, clip) == float("inf")
    assert ssim(clip, clip) == pytest.approx(1)
    grey = np.full_like(clip, 0.5)
    assert psnr(grey, grey + np.float32(0.1)) == pytest.approx(20, abs=0.01)
    assert ssim(clip, clip[:, ::-1]) < 0.3
    assert 0.9 < ssim(clip, clip * 0.9 + 0.05) < 1


@pytest.mark.filterwarnings("ignore")
def test_it_prints_each_stage_and_each_lever_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subject = wan(TINY, tmp_path / "tiny")
    capsys.readouterr()
    names = ["channels last", "attention: flash 3"]
    measure(subject, tmp_path, names=names, ends_at=time.monotonic() + 600)
    measure(subject, tmp_path, names=["compile"], ends_at=0)
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in capsys.readouterr().out.splitlines()}
    stages = ["load", "encode prompt", "denoise", "decode", "optics", "encode", TOGETHER]
    assert all(" s |" in rows[stage] for stage in [*stages, "end to end, warm"])
    assert " times | " in rows["channels last"]
    assert "dB" in rows["channels last"] or "equal" in rows["channels last"]
    assert "not applied" in rows["attention: flash 3"]
    assert "out of time" in rows["compile"]


def test_a_journal_keeps_what_was_found_and_goes_on_after_what_failed_or_did_not_fit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "found.json", limit_s=60, begun=time.monotonic())
    assert journal.attempt("first", lambda: {"seconds": 1 / 3}, takes_s=1) == {"seconds": 1 / 3}
    assert journal.attempt("second", lambda: {"seconds": 1 // 0}, takes_s=1) == {}
    assert journal.attempt("third", lambda: {"seconds": 3}, takes_s=61) == {}
    first, second, third = map(json.loads, (tmp_path / "found.json").read_text().splitlines())
    assert first["seconds"] == 0.33333
    assert second["failed"].startswith("ZeroDivisionError")
    assert third["skipped"] == "61 s are not left"


@pytest.mark.parametrize("architecture", [TINY, TINY_5B], ids=["2.1", "2.2"])
def test_a_lever_is_compared_with_what_was_drawn_plainly(architecture: Architecture, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "found.json", limit_s=600, begun=time.monotonic())
    subject = Subject("it", journal, "_native_flash")
    assert subject.make(replace(architecture, width=64, height=64, frames=5, steps=2), torch.device("cpu"))
    subject.draw_plainly()
    subject.decode_plainly()
    subject.try_attention()
    subject.try_decoder("channels last", channels_last=True)
    subject.sum_up()
    found = {line["measure"]: line for line in map(json.loads, (tmp_path / "found.json").read_text().splitlines())}
    assert not [line for line in found.values() if "failed" in line]
    assert found["it: decode, channels last"]["psnr_db"] > 100
    assert found["it: denoise, attention _native_flash"]["levers"] == {"transformer.attention": "on: _native_flash"}
    assert found["it: denoise and decode"]["gain"] > 0


def test_a_decoder_in_one_graph_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda step, **_: step)
    drawer = Drawer(replace(TINY, width=64, height=64, frames=17), torch.device("cpu"))
    plain = drawer.decoded(drawer.noise)
    DecoderLevers(steady_graph=True).put_on(drawer)
    assert psnr(drawer.decoded(drawer.noise), plain) > 100


def test_it_measures_every_lever_that_a_recipe_knows() -> None:
    assert {lever for recipe in LEVERS.values() for lever in recipe.levers} == set(type(LEVERS["compile"]).model_fields)


def test_a_whole_clip_is_made_with_the_recipe_and_without_and_each_stage_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = models()["wan2.1-t2v-1.3b"].model_copy(update={"recipe": Recipe(channels_last=True)})
    monkeypatch.setattr("bench.whole_render.models", lambda: {"wan2.1-t2v-1.3b": entry})
    monkeypatch.setattr("bench.whole_render.WARM", 1)
    journal = Journal(tmp_path / "journal.json", limit_s=600, begun=time.monotonic())
    measure_whole(journal, replace(TINY, frames=5, steps=2), torch.device("cpu"))
    lines = [json.loads(line) for line in (tmp_path / "journal.json").read_text().splitlines()]
    clips = [line for line in lines if "whole_s" in line]
    assert [len(clip["levers"]) for clip in clips] == [1, 1, 0, 0]
    for clip in clips:
        assert clip["whole_s"] >= clip["denoise_s"] + clip["decode_s"] > 0
        assert min(clip["see_s"], clip["encode_video_s"], clip["encode_human_view_s"], clip["video_bytes"]) > 0
