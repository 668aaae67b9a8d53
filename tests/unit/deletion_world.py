"""A world with a private render, and how its jobs are deleted."""

from delete_job import delete_job

from shared.artifact_paths import human_view_path, poster_path, preview_path, receipt_path
from shared.documents import State
from shared.errors import Retryable
from shared.testing import a_render
from tests.unit.notify_world import World

OWNER = "person:7"


class PrivateWorld(World):
    """A render that belongs to one person: it was wished for in her own words."""

    def __init__(self) -> None:
        super().__init__()
        self.example = a_render(now=self.clock.now(), owner=OWNER, prompt="a moth at the lamp")
        self.key = self.example.render_key
        assert self.example.spec.scope == OWNER

    def put_attempt(self) -> None:
        """What a worker uploads before its commit."""
        for path in (preview_path, poster_path, human_view_path, receipt_path):
            self.artifacts.create(path(self.key, "1-a"), b"x", content_type="image/jpeg")

    @property
    def objects(self) -> set[str]:
        return set(self.artifacts._objects)


def delete(world: World, job_id: str = "job-0001") -> None:
    delete_job(
        world.stored_job(job_id),
        store=world.store,
        artifacts=world.artifacts,
        publisher=world.publisher,
        now=world.clock.now,
    )


def no_answer(*_: object) -> None:
    raise Retryable("no answer")


def finish(world: PrivateWorld) -> None:
    world.put_attempt()
    world.work()
    assert world.render.state is State.COMPLETED
    assert len(world.objects) == 5
