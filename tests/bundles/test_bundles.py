"""Each function as it is deployed: its bundle alone, loaded and called by functions-framework in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.import_profile import FOUNDATIONS, PRINTED, beyond, packages
from local.bundles import FUNCTIONS, ROOT, make_bundles
from local.locks import pins

if TYPE_CHECKING:
    from pathlib import Path

#: Loads a bundle as functions-framework does, calls it, and says which of our modules came from where.
LOAD = """
import json, sys
import functions_framework
target, signature = sys.argv[1:]
app = functions_framework.create_app(target=target, source="main.py", signature_type=signature)
if signature == "http":
    answer = app.test_client().get("/perspectives")
    served = len(answer.get_json()["perspectives"])
else:
    headers = {"ce-id": "1", "ce-source": "//test", "ce-specversion": "1.0", "ce-type": "test"}
    answer = app.test_client().post("/", json={"bucket": "artifacts", "name": "some/other/object"}, headers=headers)
    served = 0
files = [getattr(module, "__file__", None) or "" for module in sys.modules.values()]
ours = {file for file in files if file.startswith(REPOSITORY)}
heavy = [name for name in ("torch", "diffusers", "numpy") if name in sys.modules]
print(json.dumps({"status": answer.status_code, "served": served, "outside": sorted(ours), "heavy": heavy}))
"""

#: Packages that a function imports beside Google's clients and the framework. Every cold start pays for each: before
#: another one is added here, see whether it can be imported by the few calls that need it.
PACKAGES = {
    "submit": {"annotated_types", "google.oauth2", "pydantic", "pythonjsonlogger"},
    "notify": {"annotated_types", "pydantic", "pythonjsonlogger"},
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bundles(tmp_path_factory.mktemp("build"))


def run(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {
        "GOOGLE_CLOUD_PROJECT": "life-as-not-me",
        "ARTIFACT_BUCKET": "artifacts",
        # Never called here: nothing listens there.
        "FIRESTORE_EMULATOR_HOST": "127.0.0.1:9",
        "PUBSUB_EMULATOR_HOST": "127.0.0.1:9",
        "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("function", "target", "signature", "expected"),
    [
        ("submit", "submit", "http", '{"status": 200, "served": 21, "outside": [], "heavy": []}'),
        ("notify", "notify", "cloudevent", '{"status": 200, "served": 0, "outside": [], "heavy": []}'),
    ],
)
def test_a_bundle_runs_by_itself(
    bundles: dict[str, Path], function: str, target: str, signature: str, expected: str
) -> None:
    code = LOAD.replace("REPOSITORY", repr(f"{ROOT}/shared/"))

    done = run(code, target, signature, cwd=bundles[function])

    assert done.stdout.strip() == expected, done.stderr[-2000:]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_the_packages_that_it_is_known_to_need_and_no_other(
    bundles: dict[str, Path], function: str
) -> None:
    floor, done = (run(f"{code}{PRINTED}", cwd=bundles[function]) for code in (FOUNDATIONS, "import main"))
    assert (floor.returncode, done.returncode) == (0, 0), floor.stderr[-2000:] + done.stderr[-2000:]

    found = beyond(set(floor.stdout.split()), set(done.stdout.split()), bundle=bundles[function])

    assert packages(found) == PACKAGES[function]


def test_the_queue_s_own_entry_point_serves_nothing_else(bundles: dict[str, Path]) -> None:
    make = "app = f.create_app(target='queue', source='main.py', signature_type='http').test_client()"
    ask = "print(app.get('/perspectives').status_code, app.post('/jobs', json={}).status_code)"

    done = run(f"import functions_framework as f; {make}; {ask}", cwd=bundles["submit"])

    assert done.stdout.split() == ["404", "404"], done.stderr[-2000:]


def test_a_deployed_api_asks_who_calls_and_one_that_is_set_for_one_machine_answers_nothing(
    bundles: dict[str, Path],
) -> None:
    make = "app = f.create_app(target='submit', source='main.py', signature_type='http').test_client()"
    ask = "print(app.get('/themes').status_code, app.post('/jobs', json={}).status_code)"
    in_the_cloud = "import os, functions_framework as f; os.environ['K_SERVICE'] = 'lifeasnotme-submit'"

    good = run(f"{in_the_cloud}; {make}; {ask}", cwd=bundles["submit"])
    bad = run(f"{in_the_cloud}; os.environ['UNSIGNED_TOKENS'] = 'true'; {make}; {ask}", cwd=bundles["submit"])

    assert good.stdout.split() == ["200", "401"], good.stderr[-2000:]
    assert bad.stdout.split() == ["500", "500"], bad.stderr[-2000:]
    assert "unsigned tokens are never taken in the cloud" in bad.stderr


@pytest.mark.parametrize("target", ["intake", "expand", "schedule"])
def test_what_takes_messages_loads_from_the_bundle_of_submit(bundles: dict[str, Path], target: str) -> None:
    load = f"f.create_app(target={target!r}, source='main.py', signature_type='cloudevent')"

    done = run(f"import functions_framework as f; {load}", cwd=bundles["submit"])

    assert done.returncode == 0, done.stderr[-2000:]


def test_what_takes_messages_takes_pubsubs_own_push_when_deployed_as_what_is_called(bundles: dict[str, Path]) -> None:
    """In the cloud our own subscriptions push to functions that have no trigger, so they are deployed as HTTP ones."""
    push = '{"subscription": "projects/p/subscriptions/s", "message": {"data": "eA==", "messageId": "1"}}'
    make = "app = f.create_app(target='bury', source='main.py', signature_type='http').test_client()"
    ask = f"print(app.post('/', data={push!r}, content_type='application/json').status_code)"

    done = run(f"import functions_framework as f; {make}; {ask}", cwd=bundles["notify"])

    assert done.stdout.split() == ["200"], done.stderr[-2000:]
    assert "unreadable message buried" in done.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bundle_holds_what_is_deployed_and_nothing_else(bundles: dict[str, Path], function: str) -> None:
    names = {str(path.relative_to(bundles[function])) for path in bundles[function].rglob("*") if path.is_file()}

    assert {"main.py", "requirements.txt", "shared/jobs.py", "shared/catalogue/perspectives/curious-cat.toml"} <= names
    assert not [name for name in names if "__pycache__" in name or "testing" in name or "gpu_job" in name]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_a_function_is_built_from_is_pinned_with_hashes(bundles: dict[str, Path], function: str) -> None:
    assert "functions-framework" in pins(bundles[function] / "requirements.txt")


def test_make_bundle_leaves_nothing_of_an_earlier_bundle(tmp_path: Path) -> None:
    stale = tmp_path / "submit" / "gone.py"
    stale.parent.mkdir()
    stale.write_text("")

    make_bundles(tmp_path)

    assert not stale.exists()


def test_a_broken_perspective_is_told_by_file_field_and_reason_when_the_function_starts(tmp_path: Path) -> None:
    bundle = make_bundles(tmp_path)["submit"]
    perspective = bundle / "shared/catalogue/perspectives/curious-cat.toml"
    text = perspective.read_text("utf-8")
    perspective.write_text(text.replace("value = 6, estimate =", "value = 6, guess ="), "utf-8")
    assert perspective.read_text("utf-8") != text

    done = run(LOAD.replace("REPOSITORY", "'/'"), "submit", "http", cwd=bundle)

    assert done.returncode == 1
    assert "perspectives/curious-cat.toml: optics.acuity_cpd.guess: Extra inputs are not permitted" in done.stderr
