"""The manifests of the worker as data: as they are written, and as kubectl puts them together."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from local.bundles import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES: Final = ROOT / "terraform" / "kubernetes"
SIZES: Final = tuple(sorted(each.name for each in (KUBERNETES / "overlays").iterdir()))

Manifest = dict[str, Any]


def written() -> list[Manifest]:
    """Every object of the base."""
    files = sorted((KUBERNETES / "base").glob("*.yaml"))
    return [
        each
        for path in files
        if path.name != "kustomization.yaml"
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def put_together(folder: Path) -> list[Manifest]:
    """What would be sent to the cluster."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def one(objects: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The object of that kind, and of that name where there are several."""
    [found] = [each for each in objects if each["kind"] == kind and name in (None, each["metadata"]["name"])]
    return found


def pod_of(objects: list[Manifest]) -> Manifest:
    """The worker's pod."""
    pod: Manifest = one(objects, "ScaledJob")["spec"]["jobTargetRef"]["template"]["spec"]
    return pod


def container_of(objects: list[Manifest]) -> Manifest:
    """The worker's container, the only one."""
    [container] = pod_of(objects)["containers"]
    return dict(container)


def environment_of(objects: list[Manifest]) -> dict[str, str]:
    """The worker's environment."""
    return {each["name"]: each["value"] for each in container_of(objects)["env"]}
