"""The worker's image built without a container engine: by buildah, on a Debian of mmdebstrap's, for a CPU.

Enters: a folder that keeps what is fetched. Leaves: the image as a folder, with its configuration. Both programs are
Debian packages. The Dockerfile is that of the cluster's image; the base is what Debian's own image is, made here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local.bundles import ROOT
from local.container import Image
from local.errors import LocalStackError
from local.image import DOCKERFILE
from local.locks import pins

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("buildah", "mmdebstrap")
MIRROR = "http://deb.debian.org/debian"
#: Of the base: its release, and the Python in it.
RELEASE, PYTHON = "bookworm", "3.11"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
#: Where the wheels lie while the image is built.
_WHEELS = "/wheels"


class ImageBuildError(LocalStackError):
    """The image can't be built here."""


@contextmanager
def built_image(cache: Path) -> Iterator[Image]:
    """Build the CPU image; while inside, its files are there.

    Args:
        cache: keeps the base and the wheels for the next time.

    Raises:
        ImageBuildError: a program is missing, or it failed: its own words are above.
    """
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        names = " ".join(missing)
        raise ImageBuildError(f"Missing: {names}. On Debian and Ubuntu: apt-get install {names}")
    if os.geteuid() != 0:
        raise ImageBuildError("Only root may mount an image: run it as root.")
    cache.mkdir(parents=True, exist_ok=True)
    base, wheels = _base(cache), _fetched_wheels(cache)
    store = Path(tempfile.mkdtemp(prefix="store-", dir=cache))
    buildah = ("buildah", "--storage-driver=vfs", f"--root={store}/root", f"--runroot={store}/run")
    try:
        scratch = _run(*buildah, "from", "scratch")
        _run(*buildah, "add", "--quiet", scratch, str(base), "/")
        _run(*buildah, "commit", "--quiet", "--rm", scratch, "localhost/base")
        how = ("--isolation=chroot", "--pull-never", "--layers=false", f"--volume={wheels}:{_WHEELS}:ro")
        arguments = ("BASE=localhost/base", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={_WHEELS}")
        what = ("--target=cpu", f"--file={DOCKERFILE}", *(f"--build-arg={each}" for each in arguments))
        _run(*buildah, "bud", "--quiet", "--tag=localhost/worker", *how, *what, str(ROOT))
        image = json.loads(_run(*buildah, "inspect", "--type=image", "localhost/worker"))
        container = _run(*buildah, "from", "--pull-never", "localhost/worker")
        root = Path(_run(*buildah, "mount", container))
        yield Image.of(root, image["OCIv1"]["config"])
    finally:
        subprocess.run([*buildah, "umount", "--all"], check=False, capture_output=True)
        shutil.rmtree(store, ignore_errors=True)


def _base(cache: Path) -> Path:
    """Debian, as small as it gets; made once."""
    base = cache / f"{RELEASE}.tar"
    if not base.exists():
        part = base.with_suffix(".part")
        _run("mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", RELEASE, str(part), MIRROR)
        part.replace(base)
    return base


def _fetched_wheels(cache: Path) -> Path:
    """What pip installs, by this machine's pip and its ways to an index."""
    wheels = cache / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq", "--dest", str(wheels)]
    pip += ["--python-version", PYTHON, "--only-binary=:all:", "--no-deps"]
    wanted = [f"{name}=={version}" for name, version in pins(ROOT / "gpu_job" / "requirements.txt").items()]
    torch = next(pin for pin in wanted if pin.startswith("torch=="))
    # PyTorch's own index has one without CUDA; where it can't be reached, the plain name will do.
    short = ["--retries", "0", "--timeout", "15", "--index-url", TORCH_CPU_INDEX]
    if subprocess.run([*pip, *short, torch], check=False, capture_output=True).returncode:
        _run(*pip, torch)
    _run(*pip, *(pin for pin in wanted if pin != torch))
    return wheels


def _run(*argv: str) -> str:
    """What a program says; what it complains of goes to the terminal."""
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise ImageBuildError(f"{argv[0]} ended with exit code {done.returncode}.")
    return done.stdout.strip()
