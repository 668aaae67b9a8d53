"""The storage emulator as a process of its own."""

import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from local.processes import free_port
from tests.contract.storage_world import CLIP, DEADLINE_S, Receiver, client_of, upload

REPOSITORY = Path(__file__).parents[2]


class Command:
    """``python -m local.storage_emulator`` as a process of its own."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "local.storage_emulator", *map(str, arguments)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def url(self) -> str:
        """The line it prints when it is ready."""
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], DEADLINE_S)[0], "the command prints nothing"
        return self.process.stdout.readline().strip()

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Exit status, the rest of stdout, and stderr; after a signal if one is given."""
        if number:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, key_file: Path, number: signal.Signals) -> None:
    port = free_port()
    options = f"--host 127.0.0.1 --port {port} --bucket one --bucket two".split()
    files = ("--data", tmp_path / "data", "--signing-key-file", key_file)
    with Receiver() as receiver, Command(*options, *files, "--notify-url", receiver.url) as command:
        assert command.url() == f"http://127.0.0.1:{port}"
        bucket = client_of(f"http://127.0.0.1:{port}").bucket("two")
        upload(bucket, "clip", CLIP)
        receiver.wait_for(1)
        assert command.end(number) == (0, "", "")


def test_an_object_that_was_answered_survives_a_kill(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/"
    with Command("--data", tmp_path, "--bucket", "videos", "--notify-url", nobody) as command:
        upload(client_of(command.url()).bucket("videos"), "clip", CLIP)
        assert command.end(signal.SIGKILL)[0] == -signal.SIGKILL
    with Receiver() as receiver, Command("--data", tmp_path, "--notify-url", receiver.url) as command:
        assert client_of(command.url()).bucket("videos").blob("clip").download_as_bytes() == CLIP
        receiver.wait_for(1)
        assert command.end(signal.SIGTERM)[0] == 0


def test_a_taken_port_is_one_line_on_stderr(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Command("--data", tmp_path, "--port", str(port)) as command:
            status, out, err = command.end()
    assert (status, out) == (1, "")
    assert re.fullmatch(rf"Error: .*{port}.*\n", err)


def test_a_bucket_name_that_google_refuses_is_one_line_on_stderr(tmp_path: Path) -> None:
    with Command("--data", tmp_path, "--bucket", "No/Such") as command:
        status, out, err = command.end()
    assert (status, out) == (1, "")
    assert re.fullmatch(r"Error: .*No/Such.*\n", err)
