"""The worker's image tried out: built without an engine, looked into, and set to work on the local stack.

Run as ``python -m local.image_trial``, by root on Linux; takes some minutes, and 5 GB in ``.cache/image`` meanwhile. It
ends with an error where the image holds other files than it should, where a wish does not become a video, and where a
container that is told to go does not give its render back in time.
"""

from __future__ import annotations

import re
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any

import av

from cli.api_client import ApiClient
from cli.here import MODELS_DIR, OUT_DIR, new_run_dir
from gpu_job.pictures import contact_sheet, read_frames
from local.bundles import ROOT
from local.container import Container
from local.emulator_finder import find_emulators
from local.errors import LocalStackError
from local.image import copied_files
from local.image_builder import built_image
from local.locks import pins
from local.stack import LocalStack, StackOptions
from shared.documents import Job, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.container import Image

CACHE = ROOT / ".cache" / "image"
RENDER_S = 300.0
#: The worker's own promise is 9 s; a Spot node gives 15.
GOES_WITHIN_S = 10.0
WEIGHTS = {".safetensors", ".ckpt", ".gguf"}


def main() -> None:
    """Build, look, run; say what was seen."""
    begun = time.monotonic()

    def say(what: str) -> None:
        sys.stdout.write(f"{time.monotonic() - begun:7.1f} s  {what}\n")
        sys.stdout.flush()

    with built_image(CACHE) as image:
        say(f"image built: user {image.user}, {' '.join(image.entrypoint)}")
        size_bytes = look_into(image)
        say(f"{size_bytes / 1e9:.2f} GB: the worker, its pinned packages, the pocket model, and no other files of ours")
        set_to_work(image, say)


def look_into(image: Image) -> int:
    """Compare what is in there with what should be.

    Returns:
        Its size in bytes.

    Raises:
        LocalStackError: something is missing, or too much.
    """
    ours = {f"/{path.relative_to(image.root)}" for path in (image.root / "app").rglob("*") if path.is_file()}
    _same(ours, set(copied_files("cpu")), what="files of ours")
    [packages] = image.root.glob("opt/venv/lib/python*/site-packages")
    pinned = pins(ROOT / "gpu_job" / "requirements.txt")
    installed = {_plain(*each.name.removesuffix(".dist-info").split("-", 1)) for each in packages.glob("*.dist-info")}
    _same(installed, {_plain(*pin) for pin in pinned.items()}, what="packages")
    files = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    weights = {path for path in files if path.suffix in WEIGHTS and not path.is_relative_to(image.root / "app")}
    _same(weights, set(), what="weights of others")
    return sum(path.stat().st_size for path in files)


def set_to_work(image: Image, say: Callable[[str], None]) -> None:
    """One wish made by one container; another by two, since the first is told to go.

    Raises:
        LocalStackError: one of them did not do as it should.
    """
    run_dir = new_run_dir()
    options = StackOptions(run_dir=run_dir, models_dir=MODELS_DIR, max_workers=0)
    with LocalStack(options, binaries=find_emulators(download=True)) as stack:
        say(f"local stack at {stack.api_url}, without workers")
        client = ApiClient(stack.api_url)
        env = stack.env | {"GOOGLE_APPLICATION_CREDENTIALS": "/tmp/key.json", "WARM_S": "0"}  # noqa: S108 - inside

        def start(name: str) -> Container:
            key, log = run_dir / "signing-key.json", run_dir / "logs" / f"{name}.log"
            return Container(image, name=name, env=env | {"HOSTNAME": name}, key=key, log_path=log)

        def wish(**fields: object) -> str:
            return client.submit(
                {"perspective": "curious-cat", **fields}, idempotency_key=secrets.token_hex(16)
            ).job.job_id

        first = wish(seed=7)
        with start("container-1") as container:
            _completed(client, first, container)
            code = _end_of(container, within_s=RENDER_S)
        say(f"container 1 made {first} and left with {code}")
        say(_saved(client, first, OUT_DIR / "image-trial.mp4"))

        second = wish(seed=8)
        with start("container-2") as container:
            _wait(lambda: client.job(second).job.progress > 0, container, what="a render in progress")
            told = time.monotonic()
            container.tell_to_go()
            code = _end_of(container, within_s=GOES_WITHIN_S)
            left_s = time.monotonic() - told
        job = client.job(second).job
        say(
            f"container 2 was told to go in the middle of {second}: left with {code} after {left_s:.1f} s; {job.status}"
        )
        if code or job.status is not Status.QUEUED:
            raise LocalStackError(f"It should have gone with 0 and left the job queued.{container.excerpt()}")
        with start("container-3") as container:
            _completed(client, second, container)
        say(f"container 3 made it: {_saved(client, second, OUT_DIR / 'image-trial-2.mp4')}")


def _completed(client: ApiClient, job_id: str, container: Container) -> Job:
    _wait(lambda: client.job(job_id).job.is_final, container, what="the end of the job")
    job = client.job(job_id).job
    if job.status is not Status.COMPLETED:
        raise LocalStackError(f"The job is {job.status.value}: {job.error}.{container.excerpt()}")
    return job


def _saved(client: ApiClient, job_id: str, path: Path) -> str:
    """Fetch the video and look at it."""
    path.parent.mkdir(exist_ok=True)
    client.save_video(job_id, path)
    frames = read_frames(path)
    receipt: dict[str, Any] = client.receipt(job_id)
    contact_sheet(path, path.with_suffix(".png"), caption=f"made in a container: {receipt['spec']['prompt']}")
    with av.open(str(path)) as opened:
        codec = opened.streams.video[0].codec_context.name
    if codec != "h264" or frames.shape[1:] != (256, 256, 3) or frames.std() < 10:  # noqa: PLR2004
        raise LocalStackError(f"{path} is no video to look at: {codec}, {frames.shape}, spread {frames.std():.1f}")
    return (
        f"{path}: {codec}, {frames.shape[2]}x{frames.shape[1]}, {len(frames)} frames, on {receipt['usage']['device']}"
    )


def _end_of(container: Container, *, within_s: float) -> int:
    ends_s = time.monotonic() + within_s
    while (code := container.poll()) is None:
        if time.monotonic() > ends_s:
            raise LocalStackError(f"The {container.name} did not end within {within_s:.0f} s.{container.excerpt()}")
        time.sleep(0.05)
    return code


def _wait(is_so: Callable[[], bool], container: Container, *, what: str) -> None:
    """Until it is so; what a container did last is seen after its end."""
    ends_s = time.monotonic() + RENDER_S
    while not is_so():
        if container.poll():
            raise LocalStackError(
                f"The {container.name} ended with {container.poll()} before {what}.{container.excerpt()}"
            )
        if time.monotonic() > ends_s:
            raise LocalStackError(f"The {container.name} did not get to {what}.{container.excerpt()}")
        time.sleep(0.1)


def _plain(name: str, version: str) -> str:
    """A package and its version, as an index would compare them."""
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version.partition('+')[0]}"


def _same(found: set[Any], wanted: set[Any], *, what: str) -> None:
    if found != wanted:
        more, less = sorted(map(str, found - wanted)), sorted(map(str, wanted - found))
        raise LocalStackError(f"The image's {what} are not as they should be: too many {more}, missing {less}")


if __name__ == "__main__":
    try:
        main()
    except LocalStackError as exc:
        sys.exit(str(exc))
