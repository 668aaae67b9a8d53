"""The environment: read once, all faults together, and no secret in an error."""

import traceback

import pytest
from notify_settings import NotifySettings
from submit_settings import SubmitSettings

from gpu_job.worker_settings import WorkerSettings
from shared.requests import Offer
from shared.settings import Settings, SettingsError, read_settings

ENOUGH = {"GOOGLE_CLOUD_PROJECT": "life-as-not-me", "ARTIFACT_BUCKET": "videos"}


def fault(environ: dict[str, str], schema: type[Settings] = SubmitSettings) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(schema, environ)
    return str(caught.value)


@pytest.mark.parametrize("schema", [SubmitSettings, NotifySettings])
def test_project_and_bucket_are_enough(schema: type[Settings]) -> None:
    settings = read_settings(schema, ENOUGH)
    assert (settings.google_cloud_project, settings.log_level) == ("life-as-not-me", "INFO")


def test_the_defaults_of_the_api_are_these() -> None:
    settings = read_settings(SubmitSettings, ENOUGH)
    assert settings.model_dump() == {
        "google_cloud_project": "life-as-not-me",
        "log_level": "INFO",
        "telemetry": "none",
        "artifact_bucket": "videos",
        "served_models": ("pocket",),
        "seed_pool": 8,
        "max_prompt_chars": 1000,
        "cors_origins": (),
        "signed_url_lifetime_s": 3600,
        "batch_buckets": (),
        "batch_max_rows": 100_000,
        "batch_max_rows_of_person": 0,
        "batch_chunk_s": 240,
        "batch_chunk_rows": 20_000,
        "api_audiences": (),
        "system_callers": (),
        "app_check_project_number": None,
        "k_service": "",
        "unsigned_tokens": False,
        "quota_jobs": 5,
        "quota_jobs_of_system": 100,
        "quota_gpu_s": 1800,
        "quota_gpu_s_of_system": 86_400,
        "quota_jobs_per_address": 20,
        "quota_opens_per_address": 300,
        "trusted_proxies": 1,
        "backlog_interactive": 1000,
        "backlog_bulk": 200_000,
        "max_workers": 1,
        "renders_a_worker": 2,
        "worker_start_min_s": 110,
        "worker_start_max_s": 190,
        "worker_warm_s": 180,
        "bulk_at_most": None,
        "budget_bulk_gpu_s": None,
        "budget_gpu_s": None,
        "queue_token": None,
    }


def test_every_setting_can_be_given() -> None:
    environ = {
        "GOOGLE_CLOUD_PROJECT": "life-as-not-me",
        "LOG_LEVEL": "DEBUG",
        "TELEMETRY": "gcp:us-central1",
        "ARTIFACT_BUCKET": "videos",
        "SERVED_MODELS": "wan2.1-t2v-1.3b, pocket",
        "SEED_POOL": "3",
        "MAX_PROMPT_CHARS": "300",
        "CORS_ORIGINS": "https://a.example,https://b.example",
        "SIGNED_URL_LIFETIME_S": "60",
        "BATCH_BUCKETS": "wishes, more-wishes",
        "BATCH_MAX_ROWS": "10",
        "BATCH_MAX_ROWS_OF_PERSON": "7",
        "BATCH_CHUNK_S": "1.5",
        "BATCH_CHUNK_ROWS": "5",
        "API_AUDIENCES": "https://api.example, https://api-1.run.example",
        "SYSTEM_CALLERS": "kiosk@museum.iam.gserviceaccount.com",
        "APP_CHECK_PROJECT_NUMBER": "123456789012",
        "K_SERVICE": "submit",
        "UNSIGNED_TOKENS": "false",
        "QUOTA_JOBS": "1",
        "QUOTA_JOBS_OF_SYSTEM": "2",
        "QUOTA_GPU_S": "3",
        "QUOTA_GPU_S_OF_SYSTEM": "4",
        "QUOTA_JOBS_PER_ADDRESS": "5",
        "QUOTA_OPENS_PER_ADDRESS": "9",
        "TRUSTED_PROXIES": "2",
        "BACKLOG_INTERACTIVE": "6",
        "BACKLOG_BULK": "8",
        "MAX_WORKERS": "9",
        "RENDERS_A_WORKER": "1.5",
        "WORKER_START_MIN_S": "10",
        "WORKER_START_MAX_S": "20",
        "WORKER_WARM_S": "30",
        "BULK_AT_MOST": "12",
        "BUDGET_BULK_GPU_S": "100",
        "BUDGET_GPU_S": "200",
        "QUEUE_TOKEN": "0123456789abcdef",
    }
    assert set(environ) == {name.upper() for name in SubmitSettings.model_fields}
    assert read_settings(SubmitSettings, environ).model_dump() == {
        "google_cloud_project": "life-as-not-me",
        "log_level": "DEBUG",
        "telemetry": "gcp:us-central1",
        "artifact_bucket": "videos",
        "served_models": ("wan2.1-t2v-1.3b", "pocket"),
        "seed_pool": 3,
        "max_prompt_chars": 300,
        "cors_origins": ("https://a.example", "https://b.example"),
        "signed_url_lifetime_s": 60,
        "batch_buckets": ("wishes", "more-wishes"),
        "batch_max_rows": 10,
        "batch_max_rows_of_person": 7,
        "batch_chunk_s": 1.5,
        "batch_chunk_rows": 5,
        "api_audiences": ("https://api.example", "https://api-1.run.example"),
        "system_callers": ("kiosk@museum.iam.gserviceaccount.com",),
        "app_check_project_number": "123456789012",
        "k_service": "submit",
        "unsigned_tokens": False,
        "quota_jobs": 1,
        "quota_jobs_of_system": 2,
        "quota_gpu_s": 3,
        "quota_gpu_s_of_system": 4,
        "quota_jobs_per_address": 5,
        "quota_opens_per_address": 9,
        "trusted_proxies": 2,
        "backlog_interactive": 6,
        "backlog_bulk": 8,
        "max_workers": 9,
        "renders_a_worker": 1.5,
        "worker_start_min_s": 10,
        "worker_start_max_s": 20,
        "worker_warm_s": 30,
        "bulk_at_most": 12,
        "budget_bulk_gpu_s": 100,
        "budget_gpu_s": 200,
        "queue_token": "0123456789abcdef",
    }


def test_the_offer_is_what_the_settings_say() -> None:
    settings = read_settings(SubmitSettings, {**ENOUGH, "SEED_POOL": "3"})
    assert settings.offer == Offer(served=("pocket",), seed_pool=3)


def test_all_faults_are_told_together_each_by_its_variable() -> None:
    told = fault(
        {
            "GOOGLE_CLOUD_PROJECT": "No Project",
            "LOG_LEVEL": "LOUD",
            "SERVED_MODELS": "sora",
            "SEED_POOL": "many",
            "CORS_ORIGINS": "https://a.example",
            "SIGNED_URL_LIFETIME_S": "5",
            "QUEUE_TOKEN": "short",
        }
    )
    names = [part.split(": ")[0] for part in told.removeprefix("The environment has faults: ").split("; ")]
    assert sorted(names) == [
        "ARTIFACT_BUCKET",
        "GOOGLE_CLOUD_PROJECT",
        "LOG_LEVEL",
        "QUEUE_TOKEN",
        "SEED_POOL",
        "SERVED_MODELS",
        "SIGNED_URL_LIFETIME_S",
    ]


@pytest.mark.parametrize("name", SubmitSettings.model_fields)
def test_an_empty_variable_counts_as_unset(name: str) -> None:
    environ = {**ENOUGH, name.upper(): ""}
    if name.upper() in ENOUGH:
        assert f"{name.upper()}: Field required" in fault(environ)
    else:
        assert read_settings(SubmitSettings, environ) == read_settings(SubmitSettings, ENOUGH)


def test_variables_of_others_are_none_of_our_business() -> None:
    assert read_settings(SubmitSettings, {**ENOUGH, "PATH": "/bin", "FPS": "24", "seed_pool": "3"}).seed_pool == 8


@pytest.mark.parametrize(
    ("text", "names"),
    [("a", ("a",)), ("a,b", ("a", "b")), (" a , b ", ("a", "b")), ("a,,b,", ("a", "b")), (",", ()), (" ", ())],
)
def test_a_list_is_separated_by_commas(text: str, names: tuple[str, ...]) -> None:
    assert read_settings(SubmitSettings, {**ENOUGH, "CORS_ORIGINS": text}).cors_origins == names


def test_a_deployment_that_serves_no_model_is_refused() -> None:
    assert "SERVED_MODELS" in fault({**ENOUGH, "SERVED_MODELS": ","})


def test_a_model_that_is_not_in_the_catalogue_is_named() -> None:
    told = fault({**ENOUGH, "SERVED_MODELS": "pocket,sora,veo"})
    assert "not in the catalogue of models: sora, veo" in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEED_POOL", "0"),
        ("SEED_POOL", "10001"),
        ("SEED_POOL", "1.5"),
        ("SIGNED_URL_LIFETIME_S", "59"),
        ("SIGNED_URL_LIFETIME_S", "604801"),
        ("GOOGLE_CLOUD_PROJECT", "ab"),
        ("GOOGLE_CLOUD_PROJECT", "a/../b-project"),
        ("LOG_LEVEL", "info"),
    ],
)
def test_a_number_or_name_out_of_its_bounds_is_refused(name: str, value: str) -> None:
    assert fault({**ENOUGH, name: value}).startswith(f"The environment has faults: {name}: ")


@pytest.mark.parametrize("lease_s", ["29", "601"])
def test_a_lease_that_ends_before_silence_is_noticed_or_long_after_is_refused(lease_s: str) -> None:
    told = fault({**ENOUGH, "LEASE_S": lease_s}, WorkerSettings)
    assert told.startswith("The environment has faults: LEASE_S: ")


@pytest.mark.parametrize("lease_s", [30, 600])
def test_the_shortest_and_the_longest_lease_are_taken(lease_s: int) -> None:
    assert read_settings(WorkerSettings, {**ENOUGH, "LEASE_S": str(lease_s)}).lease_s == lease_s


def test_a_refused_secret_is_in_no_traceback() -> None:
    too_short = "xyzzy" * 3  # a traceback quotes this file too
    with pytest.raises(SettingsError) as caught:
        read_settings(SubmitSettings, {**ENOUGH, "QUEUE_TOKEN": too_short})
    assert too_short not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "entry",
    [
        "kiosk",
        "=a@b.example",
        "A=a@b.example",
        "a=b=c@d.example",
        "a/b@c.example",
        "a@b@c",
        "schedule=a@b.example",
        "unknown=a@b.example",
    ],
)
def test_a_system_that_is_no_account_is_named(entry: str) -> None:
    told = fault({**ENOUGH, "SYSTEM_CALLERS": f"good@b.example,{entry}"})
    assert f"SYSTEM_CALLERS: Value error, neither e-mail nor source=e-mail: {entry}" in told


def test_an_account_is_one_system() -> None:
    told = fault({**ENOUGH, "SYSTEM_CALLERS": "a@b.example,kiosk=a@b.example,c@d.example"})
    assert "SYSTEM_CALLERS: Value error, named more than once: a@b.example" in told


def test_unsigned_tokens_are_never_taken_in_the_cloud() -> None:
    told = fault({**ENOUGH, "UNSIGNED_TOKENS": "true", "K_SERVICE": "lifeasnotme-submit", "SEED_POOL": "0"})
    assert "UNSIGNED_TOKENS: Value error, unsigned tokens are never taken in the cloud, where K_SERVICE is set" in told
    assert "SEED_POOL" in told, "with every other fault"
    assert read_settings(SubmitSettings, {**ENOUGH, "UNSIGNED_TOKENS": "true"}).unsigned_tokens


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings(NotifySettings, ENOUGH).artifact_bucket = "other"  # type: ignore[misc]
