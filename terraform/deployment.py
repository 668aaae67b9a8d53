"""The way into the cloud and out of it: ``python terraform/deployment.py plan | deploy | destroy``.

Enters: this repository, a project, a bucket for Terraform's state. Leaves: a service, or an empty project.

There are two phases, since what lives in a cluster can't be planned before there is one: `terraform/` makes everything
of Google's and Azure's; then come the worker's image, `terraform/in_cluster/` (KEDA) and `terraform/kubernetes/` (the
worker). What the second needs of the first is the first's output ``cluster``, and nothing is written down twice.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from commands import DeploymentError, find, need, output, run, succeeds
from first_phase import CLOUD, ROOT, protected, read_cluster, read_resources
from weights import missing_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

IN_CLUSTER: Final = CLOUD / "in_cluster"
KUBERNETES: Final = CLOUD / "kubernetes"
PLACED: Final = ROOT / "build" / "kubernetes"
NAMESPACE: Final = "lifeasnotme"
#: What the second phase's Terraform takes of the output ``cluster``.
IN_CLUSTER_VARIABLES: Final = ("endpoint", "keda_registry", "keda_account")
#: What kubernetes/placing takes of it.
PLACED_VALUES: Final = (
    "project",
    "artifact_bucket",
    "weights_bucket",
    "served_models",
    "worker_account",
    "queue_url",
    "queue_token",
    "signing_secret",
    "telemetry",
    "max_workers",
    "budget_bulk_gpu_s",
    "budget_gpu_s",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is wished."""

    #: Bucket of Terraform's state; None: the folder was initialised before.
    state_bucket: str | None
    #: A worker's image that exists, by digest; None: build one and push it.
    image: str | None
    #: Whether nobody is asked.
    is_agreed: bool


def plan(options: Options) -> None:
    """Show what `deploy` would do. The second phase is planned where the cluster is there already."""
    need(*_tools())
    _initialise(CLOUD, options)
    run("terraform", f"-chdir={CLOUD}", "plan", "-input=false")
    cluster = read_cluster()
    if cluster is None:
        _say("There is no cluster yet: what lives in it is planned once there is one.")
        return
    with _kubectl(cluster) as kubectl:
        if not _may_deploy(kubectl):
            _say("What lives in the cluster is not planned: that takes the right to change it.")
            return
        _initialise(IN_CLUSTER, options)
        run("terraform", f"-chdir={IN_CLUSTER}", "plan", "-input=false", env=_in_cluster_env(cluster))
        if not _has_keda(kubectl):
            _say("KEDA is not in the cluster yet: the worker is planned once it is.")
            return
        image = options.image or output(*kubectl, "get", "scaledjob/worker", _IMAGE_OF_WORKER, "--ignore-not-found")
        write_placed(cluster, image=image or f"{cluster['image']}:not-built-yet")
        # 1 is no fault: there are differences.
        run(*kubectl, "diff", "-k", str(PLACED), may_end_with=(0, 1))


def deploy(options: Options) -> None:
    """Make everything, or bring it up to date."""
    need(*_tools(), *([] if options.image else ["docker"]))
    _initialise(CLOUD, options)
    run("terraform", f"-chdir={CLOUD}", "apply", "-input=false", *(["-auto-approve"] if options.is_agreed else []))
    cluster = read_cluster()
    if cluster is None:
        raise DeploymentError("Terraform made no cluster: see what it says above.")
    image = options.image or _build_and_push(cluster["image"])
    _initialise(IN_CLUSTER, options)
    env = _in_cluster_env(cluster)
    run("terraform", f"-chdir={IN_CLUSTER}", "apply", "-input=false", "-auto-approve", env=env)
    write_placed(cluster, image=image)
    with _kubectl(cluster) as kubectl:
        run(*kubectl, "apply", "-k", str(PLACED))
        run(*kubectl, "wait", "--for=condition=Ready", "--timeout=300s", "scaledjob/worker")
    _say(f"Deployed, with the worker {image}.")
    if missing := missing_weights(cluster):
        _say(f"The workers can't render yet, their bucket lacks {', '.join(missing)}: make weights")


def destroy(options: Options) -> None:
    """Unmake everything; the workers first, so that no machine is left behind.

    Raises:
        DeploymentError: jobs and videos are still protected, nobody agreed, or a program failed.
    """
    need(*_tools())
    _initialise(CLOUD, options)
    resources = read_resources()
    # Before anything is gone: half of a service is worse than all of it and than none.
    if kept := protected(resources):
        raise DeploymentError(
            f"Nothing was deleted: {', '.join(kept)} are protected. Let go of them, then destroy again: "
            "terraform -chdir=terraform apply -var=keep_data=false"
        )
    # What was begun to be destroyed may have lost its cluster, and still says where it was.
    has_cluster = any(each["type"] == "google_container_cluster" for each in resources)
    cluster = read_cluster() if has_cluster else None
    if not options.is_agreed:
        project = cluster["project"] if cluster else "destroy"
        _say(f"This deletes the service with all of its videos. Type {project} to go on:")
        if sys.stdin.readline().strip() != project:
            raise DeploymentError("Nothing was deleted.")
    if cluster is not None:
        _initialise(IN_CLUSTER, options)
        write_placed(cluster, image=f"{cluster['image']}:any")
        with _kubectl(cluster) as kubectl:
            if _has_keda(kubectl):
                run(*kubectl, "delete", "-k", str(PLACED), "--ignore-not-found", "--timeout=600s")
        env = _in_cluster_env(cluster)
        run("terraform", f"-chdir={IN_CLUSTER}", "destroy", "-input=false", "-auto-approve", env=env)
    run("terraform", f"-chdir={CLOUD}", "destroy", "-input=false", "-auto-approve")


def write_placed(cluster: Mapping[str, Any], *, image: str, folder: Path = PLACED) -> None:
    """Write the kustomization of one deployment: an overlay by its size, and the values that are placed in it."""
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["deployment.json", _from(folder, KUBERNETES / "overlays" / str(cluster["size"]))],
        "components": [_from(folder, KUBERNETES / "placing")],
    }
    values = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        # For kustomize alone: it is not sent to the cluster.
        "metadata": {"name": "deployment", "annotations": {"config.kubernetes.io/local-config": "true"}},
        "data": {name: str(cluster[name]) for name in PLACED_VALUES} | {"image": image},
    }
    folder.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization, indent=2) + "\n", encoding="utf-8")
    (folder / "deployment.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


_IMAGE_OF_WORKER = "-o=jsonpath={.spec.jobTargetRef.template.spec.containers[0].image}"


def _tools() -> tuple[str, ...]:
    """What every step needs. Azure's provider asks `az` who is there, unless an application logs in by itself."""
    return "terraform", "gcloud", "kubectl", *([] if os.environ.get("ARM_CLIENT_ID") else ["az"])


def _from(folder: Path, place: Path) -> str:
    return os.path.relpath(place, folder.resolve())


def _initialise(folder: Path, options: Options) -> None:
    backend = [f"-backend-config=bucket={options.state_bucket}"] if options.state_bucket else []
    # Where the backend is remembered. The folder alone is there after `init -backend=false`, too.
    if not backend and not (folder / ".terraform" / "terraform.tfstate").is_file():
        raise DeploymentError(
            "Where is Terraform's state to lie? Make a bucket once: gcloud storage buckets create gs://NAME "
            "--uniform-bucket-level-access --public-access-prevention; then say make … STATE_BUCKET=NAME."
        )
    run("terraform", f"-chdir={folder}", "init", "-input=false", *backend)


def _in_cluster_env(cluster: Mapping[str, Any]) -> Mapping[str, str]:
    given = {f"TF_VAR_{name}": str(cluster[name]) for name in IN_CLUSTER_VARIABLES}
    return given | {"TF_VAR_access_token": _access_token()}


def _access_token() -> str:
    return output("gcloud", "auth", "print-access-token")


def _build_and_push(image: str) -> str:
    """Build the worker's image and push it; its name by digest, which nobody can move."""
    engine = str(find("docker"))
    version = output("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12")
    tagged = f"{image}:{version}"
    login = (engine, "login", "--username=oauth2accesstoken", "--password-stdin", f"https://{image.partition('/')[0]}")
    run(*login, stdin=_access_token())
    file = str(ROOT / "gpu_job" / "Dockerfile")
    run(engine, "build", "--platform=linux/amd64", f"--file={file}", f"--tag={tagged}", str(ROOT))
    run(engine, "push", tagged)
    digests = json.loads(output(engine, "inspect", "--format={{json .RepoDigests}}", tagged))
    return next(str(each) for each in digests if each.startswith(f"{image}@"))


@contextmanager
def _kubectl(cluster: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The beginning of a kubectl command line to the cluster, by its DNS name and a token that lives for an hour."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "cluster",
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "person", "namespace": NAMESPACE}}],
        "clusters": [{"name": "cluster", "cluster": {"server": f"https://{cluster['endpoint']}"}}],
        "users": [{"name": "person", "user": {"token": _access_token()}}],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:  # nobody else may read it
        json.dump(config, file)
        file.flush()
        yield "kubectl", f"--kubeconfig={file.name}"


def _may_deploy(kubectl: Sequence[str]) -> bool:
    """Whether who asks may change what lives in the cluster.

    The server compares by applying without writing, and Helm keeps its notes in secrets.
    """
    rights = (("patch", "scaledjobs.keda.sh"), ("get", "secrets", "--namespace=keda"))
    return all(succeeds(*kubectl, "auth", "can-i", *each, "--quiet") for each in rights)


def _has_keda(kubectl: Sequence[str]) -> bool:
    """Whether the cluster knows what a ScaledJob is; a deployment that was interrupted may not have come so far."""
    return bool(output(*kubectl, "get", "crd", "scaledjobs.keda.sh", "--ignore-not-found", "-o=name"))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="deployment.py", description="The way into the cloud and out of it.")
    parser.add_argument("step", choices=(steps := {"plan": plan, "deploy": deploy, "destroy": destroy}))
    parser.add_argument("--state-bucket", default=os.environ.get("STATE_BUCKET") or None)
    parser.add_argument("--image", default=os.environ.get("IMAGE") or None)
    parser.add_argument("--yes", action="store_true", help="ask nobody")
    given = parser.parse_args(argv)
    try:
        steps[given.step](Options(state_bucket=given.state_bucket, image=given.image, is_agreed=given.yes))
    except DeploymentError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
