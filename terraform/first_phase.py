"""What the first phase's Terraform says of the cluster, for those that come after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from commands import output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
CLOUD: Final = ROOT / "terraform"


def read_cluster() -> Mapping[str, Any] | None:
    """The output ``cluster`` of cluster_outputs.tf; None before there is one.

    Raises:
        DeploymentError: Terraform does not answer.
    """
    outputs = json.loads(output("terraform", f"-chdir={CLOUD}", "output", "-json"))
    return outputs["cluster"]["value"] if "cluster" in outputs else None


def read_resources() -> list[Mapping[str, Any]]:
    """What Terraform has made and not unmade: of each, where it stands in the code, its type and its values.

    Raises:
        DeploymentError: Terraform does not answer.
    """
    state = json.loads(output("terraform", f"-chdir={CLOUD}", "show", "-json"))
    found: list[Mapping[str, Any]] = state.get("values", {}).get("root_module", {}).get("resources", [])
    return found


def protected(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those that refuse to be destroyed while there is something in them: `keep_data` of variables.tf made them so."""
    return [
        str(each["address"])
        for each in resources
        if each["values"].get("delete_protection_state") == "DELETE_PROTECTION_ENABLED"
        or (each["type"] == "google_storage_bucket" and not each["values"].get("force_destroy"))
    ]
