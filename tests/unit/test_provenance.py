"""Content Credentials: what a video says of itself, who reads it, and what whoever changes it breaks."""

from __future__ import annotations

import base64
import io
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from cli.verify import NotVerifiedError, verify
from gpu_job import making
from gpu_job.identities import read_identity
from gpu_job.pictures import read_frames
from gpu_job.provenance import IdentityError, identity_of, sign_picture
from local.signing_identity import authority_of, make_signing_identity
from shared.artifact_paths import poster_path, preview_path, video_path
from shared.commits import find_commit
from shared.errors import Retryable
from shared.receipts import DIGITAL_SOURCE_TYPE, Receipt
from tests.unit.provenance_world import Signed, make_signed, sign_with
from tests.unit.worker_world import ATTEMPT, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "projects/life-as-not-me/secrets/lanm-signing-identity/versions/latest"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return make_signed(tmp_path_factory.mktemp("signed"), tmp_path_factory.mktemp("work"))


# --- what it says ---


def test_an_untouched_video_says_that_a_machine_made_it_and_names_its_receipt(signed: Signed) -> None:
    said = verify(signed.video, trust=signed.authority, receipt=signed.receipt)

    assert (said.is_made_by_ai, said.is_trusted, said.render_key) == (True, True, signed.render_key)
    assert said.signer == "a test signer (Life As Not Me, a test on one machine)"


def test_the_poster_says_the_same(signed: Signed) -> None:
    assert verify(signed.poster, receipt=signed.receipt).is_made_by_ai


def test_the_preview_says_the_same_before_there_is_a_receipt(signed: Signed) -> None:
    said = verify(signed.preview, trust=signed.authority)

    assert (said.is_made_by_ai, said.render_key, said.receipt_sha256) == (True, signed.render_key, None)
    assert "no receipt yet" in said.sentences[-1]
    with pytest.raises(NotVerifiedError, match="is not the receipt"):
        verify(signed.preview, receipt=signed.receipt)


@pytest.mark.parametrize("name", ["poster", "preview"])
def test_pictures_say_so_to_readers_that_know_no_manifest_signed_or_not(
    signed: Signed, tmp_path: Path, name: str
) -> None:
    plain = World(tmp_path)
    plain.wish("job-aaaa")
    sign_with(plain, None)
    paths = {"poster": poster_path(plain.key, ATTEMPT), "preview": preview_path(plain.key, ATTEMPT)}

    for content in (plain.artifacts.read(paths[name]), getattr(signed, name).read_bytes()):
        xmp = ET.fromstring(Image.open(io.BytesIO(content)).info["xmp"])
        [said] = [value for each in xmp.iter() for key, value in each.items() if key.endswith("DigitalSourceType")]
        assert said == DIGITAL_SOURCE_TYPE


def test_a_preview_that_can_not_be_signed_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "work")
    world.folder.mkdir()
    world.wish("job-aaaa")
    identity = make_signing_identity(tmp_path / "identity.pem")
    tries = []

    def fails_once(*arguments: Any, **named: Any) -> bytes:
        tries.append(arguments)
        if len(tries) == 1:
            raise Retryable("the certificate has ended")
        return sign_picture(*arguments, **named)

    monkeypatch.setattr(making, "sign_picture", fails_once)
    sign_with(world, str(identity))

    assert preview_path(world.key, ATTEMPT) not in world.artifacts.created
    assert video_path(world.key) in world.artifacts.created


def test_the_tags_of_the_video_say_so_to_players_that_know_no_manifest(signed: Signed) -> None:
    with av.open(str(signed.video)) as container:
        tags = container.metadata

    assert tags["comment"] == f"Made by AI. render_key={signed.render_key}"
    assert (tags["keywords"], tags["description"]) == ("AI-generated", f"AI-generated: {DIGITAL_SOURCE_TYPE}")


def test_signing_changes_no_frame_and_the_video_still_plays_while_it_loads(signed: Signed, tmp_path: Path) -> None:
    plain = World(tmp_path)
    plain.wish("job-aaaa")
    sign_with(plain, None)
    unsigned = tmp_path / "unsigned.mp4"
    unsigned.write_bytes(plain.artifacts.read(video_path(plain.key)))

    # x264 makes no equal bytes of frames as small as these where the processor is busy, but pictures as good as equal.
    assert np.abs(read_frames(signed.video).astype(int) - read_frames(unsigned)).mean() < 1
    content = signed.video.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_the_seconds_of_signing_are_told_with_the_video_and_not_in_the_receipt_that_is_signed(tmp_path: Path) -> None:
    world = World(tmp_path / "work")
    world.folder.mkdir()
    world.wish("job-aaaa")
    sign_with(world, str(make_signing_identity(tmp_path / "identity.pem")))

    found = find_commit(world.key, artifacts=world.artifacts)
    assert found
    receipt = Receipt.model_validate_json(world.artifacts.read(found[0].receipt_path))
    assert found[0].usage.sign_s > 0
    assert receipt.usage == found[0].usage.model_copy(update={"sign_s": 0})
    assert list(world.folder.iterdir()) == []


def test_without_an_identity_nothing_is_signed_and_the_video_is_made_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.wish("job-aaaa")
    sign_with(world, None)

    for name in (video_path(world.key), poster_path(world.key, ATTEMPT), preview_path(world.key, ATTEMPT)):
        (tmp_path / "file").write_bytes(world.artifacts.read(name))
        with pytest.raises(NotVerifiedError, match="holds no Content Credentials"):
            verify(tmp_path / "file")


# --- what is changed ---


def a_bit_of_the_picture(content: bytes) -> bytes:
    at = len(content) - 500
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def another_render_key(content: bytes) -> bytes:
    at = content.index(b"render_key") + 15
    return content[:at] + (b"0" if content[at : at + 1] != b"0" else b"1") + content[at + 1 :]


def another_source(content: bytes) -> bytes:
    return content.replace(b"trainedAlgorithmicMedia", b"digitalCapture\0\0\0\0\0\0\0\0\0", 1)


def the_end_cut_off(content: bytes) -> bytes:
    return content[:-2000]


def another_date(content: bytes) -> bytes:
    """In the header of the MP4, which no picture depends on."""
    at = content.index(b"mvhd") + 8
    return content[:at] + b"\x11\x22\x33\x44" + content[at + 4 :]


@pytest.mark.parametrize(
    "tamper", [a_bit_of_the_picture, another_render_key, another_source, the_end_cut_off, another_date]
)
def test_a_tampered_video_fails(signed: Signed, tmp_path: Path, tamper: Callable[[bytes], bytes]) -> None:
    before = signed.video.read_bytes()
    (tmp_path / "tampered.mp4").write_bytes(after := tamper(before))
    assert after != before

    with pytest.raises(NotVerifiedError):
        verify(tmp_path / "tampered.mp4")


@pytest.mark.parametrize("name", ["poster", "preview"])
def test_a_tampered_picture_fails(signed: Signed, tmp_path: Path, name: str) -> None:
    (tmp_path / "tampered.jpg").write_bytes(a_bit_of_the_picture(getattr(signed, name).read_bytes()))

    with pytest.raises(NotVerifiedError, match="was changed"):
        verify(tmp_path / "tampered.jpg")


def test_every_changed_byte_of_the_video_is_found_wherever_it_is(signed: Signed, tmp_path: Path) -> None:
    content = signed.video.read_bytes()
    file = tmp_path / "tampered.mp4"
    moov = content.index(b"moov")
    for at in np.random.default_rng(8).integers(moov, len(content), 60):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        with pytest.raises(NotVerifiedError):
            verify(file)


def test_a_receipt_that_was_changed_is_not_the_one_that_the_video_names(signed: Signed, tmp_path: Path) -> None:
    other = tmp_path / "receipt.json"
    other.write_bytes(signed.receipt.read_bytes().replace(b'"AI"', b'"me"'))

    with pytest.raises(NotVerifiedError, match="is not the receipt"):
        verify(signed.video, receipt=other)


def test_somebody_else_can_sign_but_not_as_somebody_who_is_trusted(signed: Signed, tmp_path: Path) -> None:
    stranger = authority_of(make_signing_identity(tmp_path / "stranger.pem"))

    with pytest.raises(NotVerifiedError, match="does not vouch for"):
        verify(signed.video, trust=stranger)


def test_a_picture_without_a_manifest_says_so(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "holiday.jpg")

    with pytest.raises(NotVerifiedError, match="nothing says who made it"):
        verify(tmp_path / "holiday.jpg")


def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")

    with pytest.raises(NotVerifiedError, match="neither an MP4 nor a JPEG"):
        verify(tmp_path / "notes.txt")


# --- the command ---


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["verify", *map(str, arguments)])
    return result.exit_code, result.output


def test_the_command_says_what_the_video_says(signed: Signed) -> None:
    code, output = run(signed.video, "--trust", signed.authority, "--receipt", signed.receipt)

    assert code == 0
    assert "Unchanged since it was signed by a test signer" in output
    assert "made by AI" in output
    assert signed.render_key in output


def test_the_command_tells_that_anybody_can_sign(signed: Signed) -> None:
    code, output = run(signed.video)

    assert (code, "a name that anybody can write" in output) == (0, True)


def test_the_command_fails_for_a_tampered_video(signed: Signed, tmp_path: Path) -> None:
    (tmp_path / "tampered.mp4").write_bytes(a_bit_of_the_picture(signed.video.read_bytes()))

    code, output = run(tmp_path / "tampered.mp4")

    assert (code, "was changed" in output) == (1, True)


# --- who signs ---


class SecretManager:
    """Answers as Secret Manager does, on this machine."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, b"{}", list[str]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def secret_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretManager]:
    manager = SecretManager()
    monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", manager.url)
    thread = threading.Thread(target=manager.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield manager
    manager.server.shutdown()
    thread.join()
    manager.server.server_close()


def test_the_identity_comes_from_secret_manager(secret_manager: SecretManager, tmp_path: Path) -> None:
    pem = make_signing_identity(tmp_path / "identity.pem").read_bytes()
    secret_manager.body = json.dumps({"payload": {"data": base64.b64encode(pem).decode()}}).encode()

    identity = read_identity(SECRET)

    assert identity is not None
    assert identity.algorithm == "es256"
    assert secret_manager.asked == [f"/v1/{SECRET}:access"]


def test_while_the_secret_has_no_version_nothing_is_signed(secret_manager: SecretManager) -> None:
    secret_manager.status = 404

    assert read_identity(SECRET) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, b"{}"), (500, b""), (200, b"{}"), (200, b"[]"), (200, b"<html>"), (200, b'{"payload":1}')],
)
def test_any_other_answer_ends_the_worker(secret_manager: SecretManager, status: int, body: bytes) -> None:
    secret_manager.status, secret_manager.body = status, body

    with pytest.raises(IdentityError):
        read_identity(SECRET)


def test_a_setting_that_is_no_name_of_a_secret_is_a_file_and_asks_nobody(secret_manager: SecretManager) -> None:
    with pytest.raises(IdentityError, match="can't be read"):
        read_identity("projects/p/secrets/../versions/latest")

    assert secret_manager.asked == []


@pytest.mark.parametrize(
    "text", ["", "hello", "-----BEGIN CERTIFICATE-----", "PRIVATE KEY----------BEGIN CERTIFICATE-----"]
)
def test_what_is_no_identity_is_refused(text: str) -> None:
    with pytest.raises(IdentityError):
        identity_of(text)


def test_a_key_with_the_certificate_of_another_is_refused_before_any_work(tmp_path: Path) -> None:
    ours, theirs = (make_signing_identity(tmp_path / f"{name}.pem").read_text() for name in ("ours", "theirs"))
    end = "-----END PRIVATE KEY-----\n"
    mixed = ours.split(end)[0] + end + theirs.split(end)[1]

    with pytest.raises(IdentityError):
        identity_of(mixed)


def test_an_expired_certificate_is_refused_before_any_work(tmp_path: Path) -> None:
    long_ago = make_signing_identity(tmp_path / "old.pem", now=datetime(2020, 1, 1, tzinfo=UTC))

    with pytest.raises(IdentityError):
        read_identity(str(long_ago))


def test_neither_the_identity_nor_its_faults_show_the_key(tmp_path: Path) -> None:
    path = make_signing_identity(tmp_path / "identity.pem")
    identity = read_identity(str(path))
    secret = path.read_text().splitlines()[1]

    assert identity is not None
    assert secret not in repr(identity)
    assert path.stat().st_mode & 0o777 == 0o600
