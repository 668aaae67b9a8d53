"""KEDA's ScaledJob, as its code computes: what a trigger sees and how many Jobs follow from that.

The strategies are those of ``pkg/scaling/executor/scale_jobs.go`` in KEDA's repository (``GetEffectiveMaxScale``); the
targets are divided as in ``pkg/scaling/scalers_builder``'s metrics. *Running* counts each Job that has not ended, also
one whose pod waits for a node; *pending* counts those whose pod does not run yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Strategy(StrEnum):
    """How a ScaledJob makes of a queue's length a number of new Jobs."""

    DEFAULT = "default"
    ACCURATE = "accurate"
    EAGER = "eager"


class Reads(StrEnum):
    """What a trigger counts."""

    #: Renders that wait or are made until they are final, bulk up to its cap: ``GET /queue?bulk_at_most=…``.
    TO_DO = "renders to do"
    #: Messages that are not acknowledged, delivered or not, of both subscriptions: ``num_undelivered_messages``.
    UNACKNOWLEDGED = "unacknowledged messages"
    #: Renders that nobody makes yet: what the strategies ``accurate`` and ``eager`` are made for.
    WAITING = "renders that wait"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Where KEDA looks."""

    name: str
    reads: Reads
    #: Seconds between two samples; 0: counted when asked.
    sample_s: float = 0.0
    #: After how many seconds a sample may be read: drawn evenly between these two.
    visible_after_s: tuple[float, float] = (0.0, 0.0)


#: Ours. The answer is kept for one second (functions/submit/queue_depth.py), which is nothing beside a look each ten.
METRICS_API: Final = Trigger(name="metrics-api", reads=Reads.TO_DO)
#: Google's list of metrics: "Sampled every 60 seconds. After sampling, data is not visible for up to 120 seconds."
GCP_PUBSUB: Final = Trigger(name="gcp-pubsub", reads=Reads.UNACKNOWLEDGED, sample_s=60.0, visible_after_s=(0.0, 120.0))
#: Our count as a metric: scraped each 30 s (the default of Google's managed collection), 5 to 30 s until a query has it
#: (an estimate).
PROMETHEUS: Final = Trigger(name="prometheus", reads=Reads.TO_DO, sample_s=30.0, visible_after_s=(5.0, 30.0))


@dataclass(frozen=True, kw_only=True)
class ScaledJob:
    """What of our manifest decides when workers start."""

    trigger: Trigger = METRICS_API
    strategy: Strategy = Strategy.DEFAULT
    #: terraform/kubernetes/base/worker.yaml.
    polling_s: float = 10.0
    #: Renders a worker: ``targetValue``.
    target: float = 2.0


def jobs_to_create(strategy: Strategy, *, queue: float, running: int, pending: int, most: int) -> int:
    """How many Jobs one look starts.

    Args:
        strategy: of the ScaledJob.
        queue: what the trigger read, divided by its target.
        running: Jobs that have not ended.
        pending: those of them whose pod does not run yet.
        most: ``maxReplicaCount``.
    """
    wanted = math.ceil(queue)
    at_most = min(wanted, most)
    match strategy:
        case Strategy.DEFAULT:
            room = at_most - running
        case Strategy.ACCURATE:
            room = most - running if at_most + running > most else at_most - pending
        case Strategy.EAGER:
            room, wanted = min(most - running - pending, at_most), most
    return max(0, min(wanted, room)) if queue > 0 else 0
