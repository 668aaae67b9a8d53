"""Programs that write down what they are told, and answer as the real ones do: what deploying is tried with."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: What an operator has.
ALL = ("terraform", "gcloud", "kubectl", "az", "docker", "git", "hf")
TOKEN = "ya29.secret-token"
IMAGE = "us-central1-docker.pkg.dev/art-project/lifeasnotme-images/worker"
DIGEST = f"{IMAGE}@sha256:{'ab' * 32}"
CLUSTER = {
    "project": "art-project",
    "size": "small",
    "endpoint": "gke-1234.us-central1.gke.goog",
    "image": IMAGE,
    "keda_registry": "us-central1-docker.pkg.dev/art-project/lifeasnotme-ghcr",
    "keda_account": "lifeasnotme-keda-scaler@art-project.iam.gserviceaccount.com",
    "worker_account": "lifeasnotme-worker@art-project.iam.gserviceaccount.com",
    "artifact_bucket": "art-project-lifeasnotme-artifacts",
    "weights_bucket": "art-project-lifeasnotme-weights",
    "served_models": "pocket,wan2.2-t2v-a14b-4step",
    "queue_url": "https://queue-uc.a.run.app/queue?bulk_at_most=3",
    "queue_token": "lifeasnotme-queue-token",
    "signing_secret": "projects/art-project/secrets/lifeasnotme-signing-identity/versions/latest",
    "telemetry": "gcp:us-central1",
    "max_workers": 4,
    "budget_bulk_gpu_s": "",
    "budget_gpu_s": "",
}


def state(*, keep_data: bool, has_cluster: bool = True) -> dict[str, Any]:
    """What `terraform show -json` says, in short."""
    protection = "DELETE_PROTECTION_ENABLED" if keep_data else "DELETE_PROTECTION_DISABLED"
    made: list[tuple[str, dict[str, Any]]] = [
        ("google_firestore_database.default", {"delete_protection_state": protection}),
        ("google_storage_bucket.artifacts", {"force_destroy": not keep_data}),
        ("google_storage_bucket.sources", {"force_destroy": True}),
        ("google_pubsub_schema.job_requested", {}),
        *([("google_container_cluster.cluster", {"deletion_protection": False})] if has_cluster else []),
    ]
    resources = [{"address": place, "type": place.partition(".")[0], "values": values} for place, values in made]
    return {"stdout": json.dumps({"format_version": "1.0", "values": {"root_module": {"resources": resources}}})}


PROGRAM = f"""#!{sys.executable} -SI
import json, os, pathlib, sys
here = pathlib.Path(sys.argv[0]).parent
name = pathlib.Path(sys.argv[0]).name
argv = sys.argv[1:]
said = json.loads((here / "answers.json").read_text())
call = {{"argv": [name, *argv], "env": {{k: v for k, v in os.environ.items() if k.startswith("TF_VAR_")}}}}
if name in ("docker", "podman") and argv[0] == "login":
    call["stdin"] = sys.stdin.read()
for each in argv:
    if each.startswith("--kubeconfig="):
        path = pathlib.Path(each.removeprefix("--kubeconfig="))
        call["kubeconfig"], call["mode"] = json.loads(path.read_text()), path.stat().st_mode & 0o777
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
line = " ".join([name, *argv])
for part, answer in said.items():
    if part in line:
        sys.stdout.write(answer.get("stdout", ""))
        sys.exit(answer.get("code", 0))
"""


class Programs:
    """A folder of programs, the only ones that there are."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.answers: dict[str, dict[str, Any]] = {
            "terraform -chdir=" + str(ROOT / "terraform") + " output": {
                "stdout": json.dumps({"cluster": {"value": CLUSTER}})
            },
            " show -json": state(keep_data=False),
            "gcloud auth print-access-token": {"stdout": TOKEN + "\n"},
            "git": {"stdout": "0123456789ab\n"},
            "inspect": {"stdout": json.dumps(["elsewhere/worker@sha256:00", DIGEST])},
            "get crd": {"stdout": "customresourcedefinition.apiextensions.k8s.io/scaledjobs.keda.sh\n"},
            "get scaledjob/worker": {"stdout": DIGEST},
        }
        self.env: dict[str, str] = {}
        for name in names:
            path = folder / name
            path.write_text(PROGRAM, encoding="utf-8")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def call(self, program: str, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        (self.folder / "answers.json").write_text(json.dumps(self.answers), encoding="utf-8")
        return subprocess.run(
            [sys.executable, ROOT / "terraform" / f"{program}.py", *argv],
            env={"PATH": str(self.folder), "PYTHONPATH": str(ROOT), **self.env},
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )

    @property
    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def lines(self) -> list[str]:
        """What was run, without where things lie."""
        lines = (" ".join(call["argv"]) for call in self.calls)
        shorter = (line.replace(str(ROOT), ".").split() for line in lines)
        return [
            " ".join(word for word in words if not word.startswith(("--kubeconfig", "-input"))) for words in shorter
        ]

    def place_of(self, part: str) -> int:
        """Which of the calls it was; exactly one had this in it."""
        [place] = [number for number, line in enumerate(self.lines) if part in line]
        return place
