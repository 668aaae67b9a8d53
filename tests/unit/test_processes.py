"""Child processes of the local stack: ready, failed, stopped, and never left behind."""

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.errors import PortTakenError, ProcessFailedError
from local.guard import Guard
from local.processes import ChildProcess, ensure_port_free, free_port, http_ok, port_open

ROOT = Path(__file__).resolve().parents[2]
FOREVER = "import time; time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); " + FOREVER
#: Starts a program of its own, says its number, and goes on.
FAMILY = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
if "SIGTERM" in sys.argv[1]:
    grandchild.stdout.readline()
print("grandchild", grandchild.pid, flush=True)
"""
#: A stack of one child, which ends when its standard input is closed, without having stopped the child.
STACK = """
import sys
from pathlib import Path
from local.processes import ChildProcess
child = ChildProcess(name="child", argv=[sys.executable, *sys.argv[2:]], log_path=Path(sys.argv[1]))
print(child.pid, flush=True)
sys.stdin.read()
"""

StartChild = Callable[..., ChildProcess]


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "child.log"


@pytest.fixture
def start(log_path: Path) -> Iterator[StartChild]:
    children: list[ChildProcess] = []

    def start_child(code: str, *arguments: str) -> ChildProcess:
        argv = [sys.executable, "-c", code, *arguments]
        children.append(ChildProcess(name="child", argv=argv, log_path=log_path))
        return children[-1]

    yield start_child
    for child in children:
        child.stop(grace_s=0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def until(condition: Callable[[], object], *, within_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "the deadline passed"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """A zombie, which waits for its parent to take notice, is not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def grandchild_of(log_path: Path) -> int:
    until(lambda: "grandchild" in log_path.read_text() and log_path.read_text().endswith("\n"))
    return int(log_path.read_text().split()[1])


def test_a_program_is_ready_once_it_answers(start: StartChild) -> None:
    port = free_port()
    child = start("import runpy; runpy.run_module('http.server', run_name='__main__')", "--bind=127.0.0.1", str(port))
    child.wait_ready(lambda: http_ok(f"http://127.0.0.1:{port}/"), timeout_s=10)
    assert child.poll() is None
    child.stop()
    assert not port_open("127.0.0.1", port)


def test_what_a_program_prints_is_in_its_new_log(start: StartChild, log_path: Path) -> None:
    log_path.parent.mkdir()
    log_path.write_text("of an earlier run")
    child = start("import sys; print('out', flush=True); print('err', file=sys.stderr)")
    until(lambda: child.poll() == 0)
    assert log_path.read_text() == "out\nerr\n"


def test_a_program_gets_the_environment_and_the_folder_it_is_given(tmp_path: Path, log_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['WHO'], 'HOME' in os.environ)"
    argv = [sys.executable, "-c", code]
    with ChildProcess(name="child", argv=argv, log_path=log_path, env={"WHO": "bee"}, cwd=tmp_path) as child:
        until(lambda: child.poll() == 0)
    assert log_path.read_text().split() == [str(tmp_path.resolve()), "bee", "False"]


def test_a_program_that_ends_early_is_reported_with_the_last_lines_of_its_log(start: StartChild) -> None:
    child = start("print(*(f'line {i}' for i in range(5000)), sep='\\n'); raise SystemExit(3)")
    with pytest.raises(ProcessFailedError, match="The child ended with exit code 3 before it was ready") as caught:
        child.wait_ready(lambda: False, timeout_s=30)
    assert str(caught.value).splitlines()[1:] == [f"  line {i}" for i in range(4980, 5000)]


def test_a_program_that_was_killed_is_reported_with_the_signal(start: StartChild, log_path: Path) -> None:
    child = start(FOREVER)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ProcessFailedError) as caught:
        child.wait_ready(lambda: False, timeout_s=30)
    assert str(caught.value) == (f"The child was ended by SIGKILL before it was ready. Its log ({log_path}) is empty.")


def test_a_program_that_ended_is_not_ready_although_somebody_else_answers_for_it(start: StartChild) -> None:
    child = start("raise SystemExit(1)")
    until(lambda: child.poll() is not None)
    with pytest.raises(ProcessFailedError, match="exit code 1"):
        child.wait_ready(lambda: True, timeout_s=30)


def test_a_program_that_is_not_ready_in_time_is_stopped_and_reported(start: StartChild) -> None:
    child = start("print('thinking', flush=True); " + FOREVER)
    with pytest.raises(ProcessFailedError, match=r"not ready within 0\.5 s"):
        child.wait_ready(lambda: False, timeout_s=0.5)
    assert child.poll() is not None


def test_a_program_that_does_not_exist_is_reported_in_one_line(log_path: Path) -> None:
    with pytest.raises(ProcessFailedError, match=r"The child cannot start: .*/nowhere/program") as caught:
        ChildProcess(name="child", argv=["/nowhere/program"], log_path=log_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("grandchild", [FOREVER, DEAF], ids=["obedient", "deaf to SIGTERM"])
@pytest.mark.parametrize("child_ends", ["time.sleep(600)", ""], ids=["stopped", "ended by itself"])
def test_nothing_that_a_program_started_outlives_it(
    start: StartChild, log_path: Path, grandchild: str, child_ends: str
) -> None:
    child = start(FAMILY + child_ends, grandchild)
    pid = grandchild_of(log_path)
    if child_ends:
        child.stop()
    until(lambda: child.poll() is not None)
    until(lambda: not alive(pid))


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(start: StartChild, log_path: Path) -> None:
    child = start(DEAF)
    until(log_path.read_text)
    child.stop(grace_s=0.2)
    assert child.poll() == -signal.SIGKILL


def test_stopping_twice_does_nothing(start: StartChild) -> None:
    child = start(FOREVER)
    child.stop()
    child.stop()
    assert child.poll() == -signal.SIGTERM


@pytest.mark.parametrize("end", ["killed", "finished"])
def test_children_die_with_the_stack_however_it_ends(log_path: Path, end: str) -> None:
    argv = [sys.executable, "-c", STACK, str(log_path), "-c", FAMILY + "time.sleep(600)", DEAF]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stack:
        assert stack.stdin is not None
        assert stack.stdout is not None
        family = [int(stack.stdout.readline()), grandchild_of(log_path)]
        assert all(alive(pid) for pid in family)
        if end == "killed":
            stack.kill()
        else:
            stack.stdin.close()
        stack.wait()
        until(lambda: not any(alive(pid) for pid in family), within_s=2.0)


def test_a_stack_whose_guard_was_killed_goes_on() -> None:
    guard = Guard()
    reading_end, guard._pipe = os.pipe()
    os.close(reading_end)
    guard.watch(2**30)
    guard.forget(2**30)
    os.close(guard._pipe)


def test_a_taken_port_is_reported_in_one_line(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(PortTakenError, match=f"Port {port} on 127.0.0.1, wanted by the web app") as caught:
        ensure_port_free("127.0.0.1", port, wanted_by="web app")
    assert "\n" not in str(caught.value)


def test_a_port_that_was_just_closed_is_free(listener: socket.socket) -> None:
    address = listener.getsockname()
    with socket.create_connection(address), listener.accept()[0]:
        pass
    listener.close()
    ensure_port_free(*address, wanted_by="web app")


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


class _Missing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


def test_http_is_not_ok_on_another_status_or_without_an_answer(listener: socket.socket) -> None:
    def hang_up() -> None:
        listener.accept()[0].close()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Missing) as server:
        threading.Thread(target=server.serve_forever).start()
        assert not http_ok(f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert not http_ok(f"http://127.0.0.1:{free_port()}/")
    threading.Thread(target=hang_up).start()
    assert not http_ok(f"http://127.0.0.1:{listener.getsockname()[1]}/")
