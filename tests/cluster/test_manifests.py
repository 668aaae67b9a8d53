"""The worker as Kubernetes is told of it, against what the worker, the API and Terraform say."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from deployment import KUBERNETES, PLACED_VALUES, write_placed

from bench.cluster import Cluster
from bench.keda import METRICS_API, ScaledJob, Strategy
from gpu_job.main import GRACE_S
from gpu_job.worker_settings import VERSION_PATTERN, WorkerSettings
from local.bundles import ROOT
from shared.settings import read_settings
from tests.cloud.terraform_code import Code
from tests.cluster.manifests import SIZES, container_of, environment_of, one, pod_of, put_together, written
from tests.unit.http_world import TOKEN, WISH, World

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic.fields import FieldInfo

    from tests.cluster.manifests import Manifest

#: What a library reads.
OF_LIBRARIES = {"HF_HUB_OFFLINE"}
#: What Kubernetes itself sets.
OF_KUBERNETES = {"HOSTNAME"}
CLUSTER = {
    "project": "art-project",
    "artifact_bucket": "art-project-artifacts",
    "weights_bucket": "art-project-weights",
    "served_models": "fastwan2.2-ti2v-5b,pocket",
    "worker_account": "worker@art-project.iam.gserviceaccount.com",
    "queue_url": "https://queue-uc.a.run.app/queue?bulk_at_most=6",
    "queue_token": "lifeasnotme-queue-token",
    "signing_secret": "projects/art-project/secrets/lifeasnotme-signing-identity/versions/latest",
    "telemetry": "gcp:us-central1",
    "max_workers": 4,
    "budget_bulk_gpu_s": "20000",
    "budget_gpu_s": "",
}
IMAGE = f"us-central1-docker.pkg.dev/art-project/images/worker@sha256:{'ab' * 32}"


@pytest.fixture(scope="module", params=SIZES)
def placed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """What `make deploy` sends to the cluster, for each size."""
    folder: Path = tmp_path_factory.mktemp("placed")
    write_placed({**CLUSTER, "size": request.param}, image=IMAGE, folder=folder)
    return put_together(folder)


def settings_of(objects: list[Manifest]) -> WorkerSettings:
    environ = environment_of(objects)
    return read_settings(WorkerSettings, environ)


# The worker's environment


def test_the_environment_is_what_the_worker_reads_and_nothing_else() -> None:
    environ = environment_of(written())
    fields: dict[str, FieldInfo] = dict(WorkerSettings.model_fields)

    known = {name.upper() for name in fields}
    assert set(environ) - OF_LIBRARIES <= known - OF_KUBERNETES
    assert {name.upper() for name, field in fields.items() if field.is_required()} <= set(environ)


def test_the_worker_takes_its_environment_as_it_is_deployed(placed: list[Manifest]) -> None:
    settings = settings_of(placed)

    assert settings.google_cloud_project == CLUSTER["project"]
    assert settings.artifact_bucket == CLUSTER["artifact_bucket"]
    assert settings.served_models == ("fastwan2.2-ti2v-5b", "pocket")
    assert settings.signing_identity == CLUSTER["signing_secret"]
    assert re.fullmatch(VERSION_PATTERN, settings.signing_identity or ""), "it is no file"
    assert (settings.budget_bulk_gpu_s, settings.budget_gpu_s) == (20_000, None)
    assert settings.patience_s == settings.warm_s, (
        "who finds nothing stays as long as who has rendered: its start is paid"
    )


def test_every_folder_that_the_worker_is_told_of_is_mounted_and_where_it_writes_it_may(placed: list[Manifest]) -> None:
    settings, mounts = settings_of(placed), container_of(placed)["volumeMounts"]
    writable = {each["mountPath"]: not each.get("readOnly", False) for each in mounts}

    assert settings.ready_file is not None
    assert writable == {
        str(settings.models_dir): False,
        str(settings.kernels_dir): True,
        str(settings.ready_file.parent): True,
        "/cache": True,  # HOME and HF_HOME of the image
    }
    assert container_of(placed)["readinessProbe"]["exec"]["command"] == ["test", "-f", str(settings.ready_file)]
    assert {each["name"] for each in mounts} == {each["name"] for each in pod_of(placed)["volumes"]}


# What is placed


def test_nothing_that_terraform_knows_is_left_open(placed: list[Manifest]) -> None:
    assert "placed" not in str(placed)
    assert [each for each in placed if each["kind"] == "ConfigMap"] == [], "the values themselves are not sent"
    buckets = [each["csi"]["volumeAttributes"]["bucketName"] for each in pod_of(placed)["volumes"] if "csi" in each]
    assert buckets == [CLUSTER["weights_bucket"]] * 2
    assert container_of(placed)["image"] == IMAGE
    assert one(placed, "ScaledJob")["spec"]["maxReplicaCount"] == 4
    account = one(placed, "ServiceAccount")["metadata"]["annotations"]["iam.gke.io/gcp-service-account"]
    assert account == CLUSTER["worker_account"]
    [secret] = one(placed, "TriggerAuthentication")["spec"]["gcpSecretManager"]["secrets"]
    assert (secret["parameter"], secret["id"]) == ("token", CLUSTER["queue_token"])


def test_terraform_gives_all_that_is_placed() -> None:
    code = (ROOT / "terraform/cluster_outputs.tf").read_text(encoding="utf-8")
    given = set(re.findall(r"^    (\w+) += ", code[code.index('output "cluster"') :], re.MULTILINE))
    placing = (KUBERNETES / "placing/kustomization.yaml").read_text(encoding="utf-8")

    assert set(PLACED_VALUES) <= given
    assert set(re.findall(r"fieldPath: data\.(\w+)", placing)) == {*PLACED_VALUES, "image"}


def test_terraform_and_the_manifests_call_namespace_and_account_the_same() -> None:
    code = (ROOT / "terraform/worker_identity.tf").read_text(encoding="utf-8")
    account = one(written(), "ServiceAccount")["metadata"]

    assert f'worker_namespace = "{account["namespace"]}"' in code
    assert f"[${{local.worker_namespace}}/{account['name']}]" in code
    assert pod_of(written())["serviceAccountName"] == account["name"]


# Scaling


def test_the_autoscaler_reads_the_number_of_renders_from_the_queue(placed: list[Manifest]) -> None:
    spec = one(placed, "ScaledJob")["spec"]
    [trigger] = spec["triggers"]
    world = World()
    for seed in range(9):
        world.post({**WISH, "seed": seed, "priority": "bulk"})
    for seed in (10, 11):
        world.post({**WISH, "seed": seed})

    url = urlsplit(trigger["metadata"]["url"])
    answer = world.get(f"{url.path}?{url.query}", Authorization=f"Bearer {TOKEN}")

    assert trigger["type"] == "metrics-api"
    assert trigger["metadata"]["authMode"] == "bearer"
    assert trigger["metadata"]["targetValue"] == "2"
    assert answer.body[trigger["metadata"]["valueLocation"]] == 8 == 2 * spec["maxReplicaCount"]
    assert trigger["authenticationRef"]["name"] == one(placed, "TriggerAuthentication")["metadata"]["name"]
    assert spec["minReplicaCount"] == 0


def test_bulk_is_counted_by_the_renders_that_a_worker_is_started_for() -> None:
    [trigger] = one(written(), "ScaledJob")["spec"]["triggers"]
    code = (ROOT / "terraform/cluster_outputs.tf").read_text(encoding="utf-8")

    assert f"renders_a_worker = {trigger['metadata']['targetValue']}\n" in code
    assert "bulk_at_most=${local.renders_a_worker * local.bulk_workers}" in code


def test_estimates_know_how_long_a_worker_stays(placed: list[Manifest]) -> None:
    sizes = (ROOT / "terraform/sizes.tf").read_text(encoding="utf-8")
    assert re.search(rf"warm_s +\= {settings_of(placed).warm_s:g}\n", sizes)


def test_what_is_simulated_is_what_size_standard_deploys(tmp_path: Path) -> None:
    """When this fails, simulate anew: docs/scaling.md has figures of what was deployed before."""
    code = Code()
    size = code.locals["sizes"]["standard"]
    write_placed({**CLUSTER, "size": "standard", "max_workers": size["max_workers"]}, image=IMAGE, folder=tmp_path)
    objects = put_together(tmp_path)
    worker, settings = one(objects, "ScaledJob")["spec"], settings_of(objects)
    [trigger] = worker["triggers"]

    assert ScaledJob() == ScaledJob(
        trigger=replace(METRICS_API, name=trigger["type"]),
        strategy=Strategy(worker["scalingStrategy"]["strategy"]),
        polling_s=worker["pollingInterval"],
        target=float(trigger["metadata"]["targetValue"]),
    )
    cluster = Cluster()
    assert cluster.max_workers == size["max_workers"] == worker["maxReplicaCount"]
    assert (cluster.patience_s, cluster.warm_s) == (settings.patience_s, settings.warm_s)
    assert cluster.warm_s == size["warm_s"]
    minutes = one(objects, "ComputeClass")["spec"]["autoscalingPolicy"]["consolidationDelayMinutes"]
    assert cluster.node_idle_s == 60 * minutes
    # The formula of Terraform, written out; a test of the local stack compares the code of it.
    assert cluster.bulk_at_most == code.locals["renders_a_worker"] * max(1, size["max_workers"] * 3 // 4)
    assert code.locals["bulk_workers"] == "${max(1, floor(local.size.max_workers * 3 / 4))}"


def test_workers_that_are_at_it_are_taken_off_the_number_once() -> None:
    """`accurate` would take off pending ones alone, though what is being made is in the number, too."""
    assert one(written(), "ScaledJob")["spec"]["scalingStrategy"] == {"strategy": "default"}


def test_a_new_release_takes_no_render_from_a_worker() -> None:
    assert one(written(), "ScaledJob")["spec"]["rollout"] == {"strategy": "gradual"}


# Ends


def test_a_worker_has_the_time_that_it_takes_to_give_back_and_no_more_than_a_spot_node_gives() -> None:
    assert GRACE_S < pod_of(written())["terminationGracePeriodSeconds"] <= 15


def test_a_node_that_is_taken_away_is_no_failure_of_the_worker() -> None:
    job = one(written(), "ScaledJob")["spec"]["jobTargetRef"]

    assert pod_of(written())["restartPolicy"] == "Never"
    assert job["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    ]
    assert job["backoffLimit"] > 0, "a worker that can't start waits longer each time"


# Machines


def test_the_cheapest_machine_that_is_to_be_had_is_taken(placed: list[Manifest]) -> None:
    rungs = one(placed, "ComputeClass")["spec"]["priorities"]
    kinds = ["spot" if each.get("spot") else "flex" if "flexStart" in each else "on demand" for each in rungs]

    assert list(dict.fromkeys(kinds)) == ["spot", "flex", "on demand"]
    assert kinds == sorted(kinds, key=["spot", "flex", "on demand"].index)
    assert all(each["gpu"]["count"] == 1 for each in rungs)
    assert one(placed, "ComputeClass")["spec"]["whenUnsatisfiable"] == "DoNotScaleUp"


def test_a_worker_fits_into_every_machine_that_it_may_get(placed: list[Manifest]) -> None:
    wanted = container_of(placed)["resources"]["requests"]
    sidecar = one(placed, "ScaledJob")["spec"]["jobTargetRef"]["template"]["metadata"]["annotations"]
    memory_gib = int(wanted["memory"].removesuffix("Gi")) + int(sidecar["gke-gcsfuse/memory-limit"].removesuffix("Gi"))
    cpus = int(wanted["cpu"]) + int(sidecar["gke-gcsfuse/cpu-limit"])

    for machine in {each["machineType"] for each in one(placed, "ComputeClass")["spec"]["priorities"]}:
        size = int(re.fullmatch(r"g2-standard-(\d+)", machine)[1])  # type: ignore[index]
        assert memory_gib < 4 * size * 0.85, "Kubernetes keeps about a tenth of a machine to itself"
        assert cpus < size - 1
    assert wanted["nvidia.com/gpu"] == container_of(placed)["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_what_the_pod_refers_to_is_there(placed: list[Manifest]) -> None:
    pod, machines = pod_of(placed), one(placed, "ComputeClass")["metadata"]["name"]

    assert pod["priorityClassName"] == one(placed, "PriorityClass")["metadata"]["name"]
    assert pod["nodeSelector"] == {"cloud.google.com/compute-class": machines}
    assert {each["key"]: each.get("value") for each in pod["tolerations"]} == {
        "cloud.google.com/compute-class": machines,
        "nvidia.com/gpu": None,
    }
    template = one(placed, "ScaledJob")["spec"]["jobTargetRef"]["template"]
    policy = one(placed, "NetworkPolicy", "worker")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert template["metadata"]["annotations"]["gke-gcsfuse/volumes"] == "true"
    namespaced = [each for each in placed if each["kind"] not in {"Namespace", "PriorityClass", "ComputeClass"}]
    assert {each["metadata"]["namespace"] for each in namespaced} == {one(placed, "Namespace")["metadata"]["name"]}


# Safety


def test_the_pod_runs_as_who_the_image_was_made_for() -> None:
    image = (ROOT / "gpu_job/Dockerfile").read_text(encoding="utf-8")
    context = pod_of(written())["securityContext"]

    assert set(re.findall(r"^USER (?!0$)(.+)$", image, re.MULTILINE)) == {
        f"{context['runAsUser']}:{context['runAsGroup']}"
    }
    mounts = {each["mountPath"] for each in container_of(written())["volumeMounts"]}
    assert re.findall(r"HF_HOME=(/\w+)/", image)[0] in mounts
    kernels = next(each for each in pod_of(written())["volumes"] if each["name"] == "kernels")
    options = kernels["csi"]["volumeAttributes"]["mountOptions"].split(",")
    assert {f"uid={context['runAsUser']}", f"gid={context['runAsGroup']}"} <= set(options)


def restricted_faults(pod: dict[str, Any]) -> list[str]:
    """What the pod security standard ``restricted`` would refuse.

    See https://kubernetes.io/docs/concepts/security/pod-security-standards/.
    """
    context, faults = pod.get("securityContext", {}), []
    faults += [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    if context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        faults.append("seccompProfile")
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    faults += [each["name"] for each in pod["volumes"] if not (set(each) - {"name"}) <= allowed]
    for container in pod["containers"]:
        own = container.get("securityContext", {})
        if (own.get("runAsNonRoot") or context.get("runAsNonRoot")) is not True or context.get("runAsUser") == 0:
            faults.append("runAsNonRoot")
        if own.get("allowPrivilegeEscalation") is not False:
            faults.append("allowPrivilegeEscalation")
        if own.get("capabilities", {}) != {"drop": ["ALL"]}:
            faults.append("capabilities")
    return faults


def test_the_pod_is_let_into_a_restricted_namespace() -> None:
    labels = one(written(), "Namespace")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert restricted_faults(pod_of(written())) == []
    assert container_of(written())["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod_of(written())["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"securityContext": {}}, "runAsNonRoot"),
        ({"securityContext": {"runAsNonRoot": True}}, "seccompProfile"),
        ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "host"),
        ({"containers": [{"securityContext": {"capabilities": {"drop": ["ALL"]}}}]}, "allowPrivilegeEscalation"),
        ({"containers": [{"securityContext": {"allowPrivilegeEscalation": False}}]}, "capabilities"),
    ],
)
def test_a_pod_that_asks_for_more_would_not_be_let_in(change: dict[str, Any], fault: str) -> None:
    assert fault in restricted_faults(pod_of(written()) | change)


def test_nobody_reaches_a_worker_and_a_worker_reaches_no_neighbour() -> None:
    everything = one(written(), "NetworkPolicy", "default-deny")["spec"]
    worker = one(written(), "NetworkPolicy", "worker")["spec"]

    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert worker["policyTypes"] == ["Egress"]
    to_hosts = [each for each in worker["egress"] if any(port["port"] != 53 for port in each["ports"])]
    assert {block["ipBlock"]["cidr"] for each in to_hosts for block in each["to"]} == {
        "0.0.0.0/0",
        "169.254.169.252/32",
        "169.254.169.254/32",
    }
    [outside] = [each for each in to_hosts if each["to"][0]["ipBlock"]["cidr"] == "0.0.0.0/0"]
    assert "10.0.0.0/8" in outside["to"][0]["ipBlock"]["except"]
    assert [port["port"] for port in outside["ports"]] == [443]


def test_the_network_of_the_cluster_is_within_what_a_worker_may_not_call() -> None:
    code = (ROOT / "terraform/network.tf").read_text(encoding="utf-8")
    ranges = re.findall(r'ip_cidr_range\s+= "([0-9.]+)/', code)

    assert len(ranges) == 3
    assert all(each.startswith("10.") for each in ranges)
