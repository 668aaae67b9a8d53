"""What a run of chaos left behind, and what it proves, by documents, objects, events and logs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.jobs import MAX_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: Lines of a worker that has made a video: the first won, the second came too late.
COMMITTED, LOST = "video committed", "video was committed before"
#: Lines after which a worker is at work no more.
ENDS = {COMMITTED, LOST, "attempt ended", "attempt failed", "nobody waits", "lease lost", "worker leaves its render"}
#: A message that was published so shortly before the queue forgot everything may not have been received yet.
ON_THE_WAY = timedelta(seconds=10)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log that are JSON."""
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            line = json.loads(text)
            if isinstance(line, dict) and "message" in line:
                lines.append(line)
    return lines


def at_work(lines: Iterable[Mapping[str, Any]]) -> tuple[str, datetime] | None:
    """The render that a worker had in hand at the end of its log, and since when; None when it had none."""
    claimed: tuple[str, datetime] | None = None
    for line in lines:
        if line["message"] == "render claimed":
            claimed = line["render_key"], datetime.fromisoformat(line["time"])
        elif line["message"] in ENDS:
            claimed = None
    return claimed


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found."""

    #: How many jobs were wished for, one by one and in a batch.
    wished: int
    #: Documents by their ids.
    jobs: Mapping[str, Mapping[str, Any]]
    renders: Mapping[str, Mapping[str, Any]]
    #: Generation of each video that is in the bucket, by render.
    videos: Mapping[str, int]
    #: Ids of all events that were received.
    told: Sequence[str]
    #: Of all logs.
    lines: Sequence[Mapping[str, Any]]
    #: The render that each worker that was struck by SIGKILL had in hand.
    killed: Sequence[str]
    #: From when until when the message queue was away.
    away: tuple[datetime, datetime]

    @property
    def commits(self) -> dict[str, int]:
        """How often each render was committed.

        By every generation of its video that the bucket, its render or a job of it knows, and by what workers say.
        """
        generations: dict[str, set[int]] = defaultdict(set)
        for key, generation in self.videos.items():
            generations[key].add(generation)
        for document in (*self.renders.values(), *self.jobs.values()):
            if document["video"]:
                generations[document["render_key"]].add(document["video"]["generation"])
        said = Counter(str(line["render_key"]) for line in self.lines if line["message"] == COMMITTED)
        return {key: max(len(generations[key]), said[key]) for key in generations.keys() | said.keys()}

    @property
    def rendered(self) -> int:
        """How many videos were made, those that came too late among them, and those whose worker could not say so."""
        return sum(self.commits.values()) + sum(1 for line in self.lines if line["message"] == LOST)

    @property
    def lost_events(self) -> set[str]:
        """Jobs whose event was published, but only when the queue was about to forget it, or was away."""
        begin, end = self.away
        published: dict[str, list[datetime]] = defaultdict(list)
        for line in self.lines:
            if line["message"] == "event published":
                published[line["job_id"]].append(datetime.fromisoformat(line["time"]))
        return {
            job_id
            for job_id in self.jobs.keys() - set(self.told)
            if published[job_id] and all(begin - ON_THE_WAY <= time <= end for time in published[job_id])
        }

    def with_status(self, *statuses: str) -> list[Mapping[str, Any]]:
        """The jobs that have one of them."""
        return [job for job in self.jobs.values() if job["status"] in statuses]

    def held(self) -> dict[str, bool]:
        """What must be so, whatever was struck."""
        kills, commits = Counter(self.killed), self.commits
        failed = self.with_status("failed")
        return {
            "every wish is a job": len(self.jobs) == self.wished,
            "every job is final": not self.with_status("queued", "in_progress"),
            "every completed job has a video": all(
                job["render_key"] in self.videos for job in self.with_status("completed")
            ),
            "no render was committed twice": all(number == 1 for number in commits.values()),
            "every committed render is completed": all(self.renders[key]["state"] == "completed" for key in commits),
            f"a job failed only where {MAX_ATTEMPTS} workers were killed at its render": all(
                kills[job["render_key"]] >= MAX_ATTEMPTS for job in failed
            ),
            "every failed job says why": all(job["error"] for job in failed),
            "nothing is left to tell": not any(job["event_pending"] for job in self.jobs.values()),
            "every job was told of, and nothing else": set(self.told) | self.lost_events == set(self.jobs),
        }
