"""Workers that are killed without warning, each at another place of its work: another one takes over."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from gpu_job.lease import Held
from shared.artifact_paths import render_key_of, video_path
from shared.commits import find_commit
from shared.documents import Stage, State, Status
from shared.receipts import Receipt
from tests.contract.stuck_worker import COMMITTED
from tests.contract.worker_site import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from local.processes import ChildProcess
    from shared.documents import Render
    from shared.messages import JobEvent
    from tests.contract.worker_site import Site, Wish

pytestmark = pytest.mark.emulators

#: The shortest that the settings allow: with less, one slow answer of a service would cost a living worker its lease.
#: All leases run at the same time, so that the test waits for one and not for one after the other.
LEASE_S = 30
#: A worker that hears nothing for so long leaves. What dies together comes again 10 s apart at most: lease and message
#: are renewed every quarter of their length, at the next beat, and beats are 2 s apart.
WARM_S = 12.0
#: Like `COMMITTED`, and ``notify`` does not hear of the video before the worker is dead.
UNHEARD = "unheard"
PLACES = (*Stage, COMMITTED, UNHEARD)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a wish."""

    status: Status
    state: State
    token: int
    attempts: int
    #: Whose video it is, ``killed`` or ``next``.
    made_by: str
    #: How often a video was put into the bucket, as the bucket's events tell.
    commits: int
    #: How many attempts came as far as uploading.
    uploads: int
    events: int


TAKEN_OVER = Outcome(
    status=Status.COMPLETED,
    state=State.COMPLETED,
    token=2,
    attempts=2,
    made_by="next",
    commits=1,
    uploads=1,
    events=1,
)
NOT_MADE_AGAIN = replace(TAKEN_OVER, token=1, attempts=1, made_by="killed")


def outcome_of(wish: Wish, *, site: Site, events: list[JobEvent]) -> Outcome:
    render, job, objects = site.render(wish), site.job(wish), site.objects(wish)
    found = find_commit(wish.render_key, artifacts=site.artifacts)
    assert found
    commit, video = found
    assert job.video == render.video == video
    of_this_job = [event for event in events if event.job_id == wish.job_id]
    assert all(event.video == video for event in of_this_job)
    return Outcome(
        status=job.status,
        state=render.state,
        token=render.token,
        attempts=render.attempts,
        made_by="next" if "-next-" in commit.attempt else "killed",
        commits=len([name for name, _generation in site.finalized if name == video_path(wish.render_key)]),
        uploads=len([name for name in objects if name.endswith("receipt.json")]),
        events=len(of_this_job),
    )


def test_whatever_a_worker_was_doing_when_it_was_killed_another_takes_over_after_its_lease(
    site: Site, tmp_path: Path
) -> None:
    # 1. Each worker takes a wish, and gets stuck with it at its own place.
    def place_of(render: Render) -> str:
        assert render.holder
        return render.holder.rpartition("-")[0]

    def is_heard(name: str) -> bool:
        render_key = render_key_of(name)
        render = render_key and site.store.render(render_key)
        return not render or place_of(render.value) != UNHEARD

    site.takes = is_heard
    unsorted = [site.wish() for _ in PLACES]
    lease = {"LEASE_S": str(LEASE_S)}

    def get_stuck(*places: str) -> list[ChildProcess]:
        files = [tmp_path / f"stuck-{place}" for place in places]
        module = ("-m", "tests.contract.stuck_worker")
        started = [
            site.start_worker(
                *module,
                HOSTNAME=place,
                STUCK_AT=COMMITTED if place == UNHEARD else place,
                STUCK_FILE=str(file),
                **lease,
            )
            for place, file in zip(places, files, strict=True)
        ]
        wait_until(lambda: all(file.exists() for file in files), what="they are stuck", patience_s=60)
        return started

    # The last one keeps its message no longer than until its video is heard of.
    workers = get_stuck(*Stage, UNHEARD) + get_stuck(COMMITTED)
    wishes = {place_of(site.render(wish)): wish for wish in unsorted}
    wait_until(lambda: all(site.job(wishes[stage]).stage is stage for stage in Stage), what="the stages are seen")
    wait_until(lambda: site.job(wishes[COMMITTED]).is_final, what="the video is heard of")
    assert not site.job(wishes[UNHEARD]).is_final

    # 2. All are killed at once. An ordinary worker is there from now on, and leaves when nothing has come for a while.
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: all(worker.poll() == -signal.SIGKILL for worker in workers), what="they are dead")
    renewed_at = {stage: site.render(wishes[stage]).renewed_at for stage in Stage}
    assert all(isinstance(site.claim(wishes[stage]), Held) for stage in Stage)
    patience = {"PATIENCE_S": str(2 * LEASE_S), "WARM_S": str(WARM_S)}
    following = site.start_worker("-m", "local.instant_worker", HOSTNAME="next", **lease, **patience)

    # 3. The unheard video is found. Its event comes late and changes nothing.
    late = wishes[UNHEARD]
    wait_until(lambda: site.is_settled(late), what="the unheard video is found", patience_s=2 * LEASE_S)
    before = site.render(late), site.job(late)
    site.takes = lambda _: True
    wait_until(lambda: any(name == video_path(late.render_key) for name, _ in site.finalized), what="the late event")
    assert (site.render(late), site.job(late)) == before

    # 4. All wishes are granted, and nothing is left to do.
    wait_until(lambda: following.poll() is not None, what="the next one leaves", patience_s=2 * LEASE_S)
    assert following.poll() == 0, following.log_path.read_text()
    assert site.next_message() is None
    events = site.job_events()
    assert {place: outcome_of(wish, site=site, events=events) for place, wish in wishes.items()} == {
        Stage.LOADING: TAKEN_OVER,
        Stage.RENDERING: TAKEN_OVER,
        Stage.ENCODING: TAKEN_OVER,
        # What the dead one had uploaded lies under its own attempt.
        Stage.UPLOADING: replace(TAKEN_OVER, uploads=2),
        COMMITTED: NOT_MADE_AGAIN,
        UNHEARD: NOT_MADE_AGAIN,
    }

    # 5. Nobody began again before the lease was over.
    for stage in Stage:
        found = find_commit(wishes[stage].render_key, artifacts=site.artifacts)
        assert found
        receipt = Receipt.model_validate_json(site.artifacts.read(found[0].receipt_path))
        last = renewed_at[stage]
        assert last
        assert (receipt.started_at - last).total_seconds() >= LEASE_S
