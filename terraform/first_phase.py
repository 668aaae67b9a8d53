"""What the first phase's Terraform says of the cluster, for those that come after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from commands import output

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
CLOUD: Final = ROOT / "terraform"


def read_cluster() -> Mapping[str, Any] | None:
    """The output ``cluster`` of cluster_outputs.tf; None before there is one.

    Raises:
        DeploymentError: Terraform does not answer.
    """
    outputs = json.loads(output("terraform", f"-chdir={CLOUD}", "output", "-json"))
    return outputs["cluster"]["value"] if "cluster" in outputs else None
