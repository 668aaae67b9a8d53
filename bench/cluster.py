"""What a cluster takes how long for and costs, and the ways to start workers on it."""

from __future__ import annotations

from dataclasses import dataclass

from bench.keda import ScaledJob


@dataclass(frozen=True, kw_only=True)
class AlwaysOn:
    """So many workers, whatever there is to do."""

    workers: int


@dataclass(frozen=True, kw_only=True)
class PodPerJob:
    """A Job for each wish, made as it comes; its pod renders that one and leaves."""


Scaling = ScaledJob | AlwaysOn | PodPerJob


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What takes how long, and costs what."""

    #: terraform/sizes.tf, size ``standard``.
    max_workers: int = 16
    #: So many renders of bulk count: those of three quarters of the workers (terraform/cluster_outputs.tf). None: all.
    bulk_at_most: int | None = 24
    #: A Spot node with an L4, from asked for to ready, drawn evenly: 120 s in docs/deploy.md, an estimate. Google's
    #: "fast-starting nodes" are none of Spot.
    node_boot_s: tuple[float, float] = (90.0, 150.0)
    #: How long an empty node stays: docs/deploy.md, an estimate.
    node_idle_s: float = 120.0
    #: The image on a new node, streamed: Google's deep learning image took 20 s instead of 230 s (W. Denniss, "Image
    #: streaming").
    image_s: float = 20.0
    #: Container and Python: an estimate.
    pod_s: float = 3.0
    #: Before the first render of a worker: the 60 s of docs/deploy.md for image and model, less the image. An estimate.
    model_s: float = 40.0
    #: How long to wait for the first message, and for the next one: terraform/kubernetes/overlays/standard.
    patience_s: float = 600.0
    warm_s: float = 600.0
    #: From the upload to a render that is final and counts no more: an estimate (0.2 s on two busy cores).
    notify_s: float = 1.0
    #: Of a Spot node that is ready. An estimate: Google names no rate for GPUs, and has named 5 to 15 % a day for
    #: preemptible machines; this is ten times that.
    preemptions_an_hour: float = 0.05
    #: ``g2-standard-12`` as Spot, in dollars: docs/deploy.md.
    price_an_hour: float = 0.40
