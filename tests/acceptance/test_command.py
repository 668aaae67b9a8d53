"""The command ``lifeasnotme``, as a person runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cli.here import announced
from gpu_job.pictures import read_frames
from local.bundles import ROOT
from local.processes import free_port, port_open
from tests.acceptance.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import LocalStack

pytestmark = [pytest.mark.acceptance, pytest.mark.emulators, pytest.mark.render]

COMMAND = str(Path(sys.executable).with_name("lifeasnotme"))


def run(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False, timeout=120
    )


def test_submit_shows_progress_and_saves_the_video(stack: LocalStack, tmp_path: Path) -> None:
    done = run(
        "submit", "drifting-goldfish", "--seed", "5", "-o", "fish.mp4", cwd=tmp_path, LIFEASNOTME_API=stack.api_url
    )

    assert done.returncode == 0, done.stderr
    assert "100 %  completed" in done.stdout
    assert "Saved fish.mp4" in done.stdout
    assert read_frames(tmp_path / "fish.mp4").shape == (33, 256, 256, 3)


def test_a_job_can_be_left_and_come_back_to(stack: LocalStack, tmp_path: Path) -> None:
    left = run("submit", "newborn-child", "--no-wait", "--api", stack.api_url, cwd=tmp_path)
    job_id = left.stdout.strip()

    back = run("watch", job_id, "--api", stack.api_url, cwd=tmp_path)

    assert back.returncode == 0, back.stderr
    assert (tmp_path / f"newborn-child-{job_id[:8]}.mp4").stat().st_size > 1000


def test_a_bad_wish_is_refused_with_every_fault(stack: LocalStack, tmp_path: Path) -> None:
    done = run("submit", "ghost", "--seed", "-1", "--size", "1x1", "--api", stack.api_url, cwd=tmp_path)

    assert done.returncode == 1
    assert [word in done.stderr for word in ("perspective", "seed", "size")] == [True] * 3
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_catalogues_are_listed(stack: LocalStack, tmp_path: Path) -> None:
    assert "curious-cat" in run("perspectives", "--api", stack.api_url, cwd=tmp_path).stdout
    assert "rainy-night" in run("themes", "--api", stack.api_url, cwd=tmp_path).stdout


def test_without_an_api_it_says_how_to_get_one(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"

    done = run("submit", "curious-cat", "--api", nobody, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: Nothing answers at {nobody}.")
    assert "`lifeasnotme up`" in done.stderr


def test_where_the_video_cannot_be_saved_nothing_is_wished_for(stack: LocalStack, tmp_path: Path) -> None:
    done = run("submit", "curious-cat", "-o", "nowhere/cat.mp4", "--api", stack.api_url, cwd=tmp_path)

    assert done.returncode == 2
    assert "there is no folder nowhere" in done.stderr


@pytest.mark.parametrize(
    "command",
    [(), *((name,) for name in ("demo", "up", "submit", "watch", "perspectives", "themes", "top", "inspect"))],
)
def test_every_command_explains_itself(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*command, "--help", cwd=tmp_path)

    assert done.returncode == 0
    assert done.stdout.startswith("Usage: lifeasnotme")


def test_a_taken_port_is_one_clear_line(stack: LocalStack, tmp_path: Path) -> None:
    port = stack.api_url.rsplit(":", 1)[1]

    done = run("up", "--port", port, cwd=tmp_path)

    assert done.returncode == 1
    assert re.fullmatch(rf"Error: Port {port} on 127\.0\.0\.1, wanted by the API, .*\n", done.stderr)


def test_missing_emulators_are_one_clear_line(tmp_path: Path) -> None:
    done = run("up", "--port", "0", cwd=tmp_path, FIRESTORE_EMULATOR_BINARY_PATH=str(tmp_path / "nothing.jar"))

    assert done.returncode == 1
    assert done.stderr.startswith("Error: The Firestore emulator is missing")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [COMMAND, "up", "--no-page", "--port", str(free_port())],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if int(line.split()[1]) == pid]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing_running(up: subprocess.Popen[str], number: int, tmp_path: Path) -> None:
    assert up.stdout is not None
    said = ""
    while "Ctrl-C stops everything" not in said:
        line = up.stdout.readline()
        assert line, said
        said += line
    found = re.search(r"API +(http://127\.0\.0\.1:(\d+))", said)
    assert found is not None
    submitted = run("submit", "curious-cat", "--no-wait", "--api", found[1], cwd=tmp_path)
    assert submitted.returncode == 0
    children = children_of(up.pid)
    assert len(children) >= 6, "two emulators, the storage, three functions"

    begun = time.monotonic()
    os.kill(up.pid, number)
    up.wait(timeout=30)

    assert up.returncode == 0
    assert time.monotonic() - begun < 20
    until(lambda: not [pid for pid in children if is_running(pid)], what="every child is gone", deadline_s=5)
    assert not port_open("127.0.0.1", int(found[2]))


def test_the_running_system_is_found_without_being_told(stack: LocalStack, tmp_path: Path) -> None:
    with announced(stack.api_url):
        done = run("perspectives", cwd=tmp_path)

    assert "curious-cat" in done.stdout


@pytest.mark.parametrize("has_emulators", [True, False])
def test_the_demo_ends_with_a_video_and_a_contact_sheet(tmp_path: Path, *, has_emulators: bool) -> None:
    env = {} if has_emulators else {"FIRESTORE_EMULATOR_BINARY_PATH": str(tmp_path / "nothing.jar")}

    done = run("demo", "--no-page", cwd=tmp_path, LOG_LEVEL="nonsense", WARM_S="nonsense", **env)

    assert done.returncode == 0, done.stderr
    assert ("Running embedded" in done.stdout) is not has_emulators
    assert "h264 yuv420p, 256x256, 33 frames, 16 fps" in done.stdout
    [video] = re.findall(r"Video +(\S+\.mp4)", done.stdout)
    [human_view] = re.findall(r"Human view +(\S+\.mp4)", done.stdout)
    seen, drawn = (read_frames(ROOT / each).astype(float) for each in (video, human_view))
    assert seen.shape == drawn.shape
    assert np.abs(seen - drawn).mean() > 5  # a cat sees few colours
    [sheet] = re.findall(r"Contact sheet +(\S+\.png)", done.stdout)
    assert (ROOT / sheet).read_bytes().startswith(b"\x89PNG")
