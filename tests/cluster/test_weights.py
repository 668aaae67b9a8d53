"""The weights of the served models are brought to their bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.programs import ALL, ROOT, Programs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path, *ALL)


def test_weights_are_brought_from_the_repository_and_from_the_hub_by_commit(programs: Programs) -> None:
    done = programs.call("weights")

    assert done.returncode == 0, done.stderr
    bucket = "gs://art-project-lifeasnotme-weights"
    moved = [line for line in programs.lines if line.startswith(("hf", "gcloud storage rsync"))]
    wan, lora = "Wan-AI/Wan2.2-T2V-A14B-Diffusers", "lightx2v/Wan2.2-Distill-Loras"
    assert moved[0].endswith(f"./models/weights/pocket {bucket}/pocket")
    assert moved[1] == (
        f"hf download {wan} --revision=5be7df9619b54f4e2667b2755bc6a756675b5cd7 --local-dir=./.cache/weights/{wan}"
    )
    assert moved[2].endswith(f"./.cache/weights/{wan} {bucket}/{wan}")
    assert moved[3].startswith(f"hf download {lora} wan2.2_t2v_A14b_high_noise_lora_rank64_lightx2v_4step_1217")
    assert moved[4].endswith(f"{bucket}/{lora}")
    assert len(moved) == 7


def test_weights_wait_for_their_bucket(programs: Programs) -> None:
    programs.answers[f"terraform -chdir={ROOT / 'terraform'} output"] = {"stdout": "{}"}

    done = programs.call("weights")

    assert (done.returncode, done.stderr) == (1, "There is no bucket for them yet: make deploy\n")
