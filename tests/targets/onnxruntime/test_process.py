"""The process that runs ONNX Runtime: it comes back after any end, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("onnxruntime")
if os.name == "nt":
    pytest.skip("signals and forks of POSIX", allow_module_level=True)

from fxexport.targets.onnxruntime import process as module
from fxexport.targets.onnxruntime import worker
from fxexport.targets.onnxruntime.process import RuntimeProcess
from fxexport.targets.onnxruntime.session import (
    OrtSession,
    RuntimeCrash,
    RuntimeFailure,
    RuntimeOverdue,
    start_early,
)
from tests.support.onnx_bytes import endless_loop, identity, scores

EMPTY = {"q": torch.ones(0, 2, 3, 4), "k": torch.ones(0, 2, 5, 4)}
FULL = {"q": torch.ones(1, 2, 3, 4), "k": torch.ones(1, 2, 5, 4)}


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    yield
    RuntimeProcess.end_shared()


def runs(session: OrtSession) -> bool:
    (y,) = session.run({"x": torch.arange(3.0)})
    return y.tolist() == [0, 1, 2]


def test_crash_is_told_with_its_signal_and_the_session_lives_on() -> None:
    session, other = OrtSession(scores()), OrtSession(identity(1, ["n"]))
    for _ in range(2):
        with pytest.raises(RuntimeCrash, match=r"^ONNX Runtime crashed \(SIGFPE\)$") as caught:
            session.run(EMPTY)
        assert not caught.value.from_outside
        (y,) = session.run(FULL)
        assert y.tolist() == torch.full((1, 2, 3, 5), 4.0).tolist()
        assert runs(other)


def test_end_between_calls_goes_unnoticed() -> None:
    session = OrtSession(identity(1, ["n"]))
    first = RuntimeProcess.shared().pid
    RuntimeProcess.end_shared()
    assert runs(session)
    assert RuntimeProcess.shared().pid != first


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_end_from_outside_is_no_crash_of_the_file(number: int) -> None:
    session = OrtSession(endless_loop())
    pid = RuntimeProcess.shared().pid
    threading.Timer(0.3, os.kill, (pid, number)).start()
    with pytest.raises(RuntimeCrash, match=r"was ended .* for want of memory perhaps") as caught:
        session.run({"n": 2**62})
    assert caught.value.from_outside


def test_run_that_does_not_end_in_time_is_ended_and_the_session_lives_on() -> None:
    session, other = OrtSession(endless_loop()), OrtSession(identity(1, ["n"]))
    for _ in range(2):
        with pytest.raises(RuntimeOverdue, match=r"did not come to its end within 0.3 s$"):
            session.run({"n": 2**62}, 0.3)
        (total,) = session.run({"n": 3}, 60.0)
        assert total.item() == 6
        assert runs(other)


def test_one_that_left_for_want_of_work_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(worker.__file__).read_text()
    hasty = tmp_path / "hasty.py"
    hasty.write_text(source.replace("IDLE_SECONDS = 20.0", "IDLE_SECONDS = 0.2"))
    monkeypatch.setattr(module, "_WORKER", hasty)
    session = OrtSession(identity(1, ["n"]))
    left = RuntimeProcess.shared()
    left._process.wait()
    assert runs(session)
    assert RuntimeProcess.shared() is not left


def test_one_that_leaves_each_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = tmp_path / "lazy.py"
    lazy.write_text(f"import sys; sys.stdin.readline(); sys.exit({worker.IDLE_CODE})")
    monkeypatch.setattr(module, "_WORKER", lazy)
    with pytest.raises(RuntimeFailure, match="it left"):
        OrtSession(identity(1, ["n"]))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("os.abort()", r"does not start: it crashed \(SIGABRT\)"),
        ("raise ImportError('no library here')", "does not start: no library here"),
    ],
)
def test_onnx_runtime_that_does_not_start_says_nothing_of_the_file(
    body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(worker.__file__).read_text()
    broken = tmp_path / "broken.py"
    broken.write_text(source.replace("import onnxruntime", body))
    monkeypatch.setattr(module, "_WORKER", broken)
    with pytest.raises(RuntimeFailure, match=said) as caught:
        OrtSession(identity(1, ["n"]))
    assert caught.value.lacking


def test_no_interpreter_to_start_says_nothing_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    start_early()
    with pytest.raises(RuntimeFailure, match="no process could be started") as caught:
        OrtSession(identity(1, ["n"]))
    assert caught.value.lacking


def test_threads_take_turns() -> None:
    sessions = [OrtSession(identity(1, ["n"])) for _ in range(4)]
    wrong: list[int] = []

    def work(k: int) -> None:
        for size in range(1, 40):
            x = torch.full((1000 * size,), float(k))
            (y,) = sessions[k].run({"x": x})
            wrong.extend([k] if not torch.equal(x, y) else [])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_is_dropped_is_let_go() -> None:
    numbers = []
    for _ in range(3):
        session = OrtSession(identity(1, ["n"]))
        numbers.append(session._number)
        del session
    shared = RuntimeProcess.shared()
    assert list(shared._dropped) == [numbers[-1]]
    runs(OrtSession(identity(1, ["n"])))
    assert len(set(numbers)) == 3


# Without PyTorch, which takes seconds to import.
PLAIN = """
import os, signal, sys
from fxexport.targets.onnxruntime.process import RuntimeProcess
process = RuntimeProcess.shared()
load = {"do": "load", "session": 0, "file": sys.argv[1], "optimize": True, "config": {}}
process.ask(load)
trips = {"onnx": 7, "numpy": "int64", "shape": [], "part": 0}
run = {"do": "run", "session": 0, "feed": [["n", trips]], "sequences": False}
def run_for_ever():
    process.ask(run, [memoryview((2**62).to_bytes(8, "little"))])
"""
SESSIONS = """
import os, signal, sys, torch
from fxexport.targets.onnxruntime.process import RuntimeProcess
from fxexport.targets.onnxruntime.session import OrtSession
from tests.support.onnx_bytes import identity
session = OrtSession(sys.argv[1])
def run_for_ever():
    session.run({"n": 2**62})
"""


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("endless") / "m.onnx"
    path.write_bytes(endless_loop())
    return path


def program(
    endless: Path, text: str, *, head: str = PLAIN, group: bool = False
) -> tuple[subprocess.Popen[str], int]:
    """A Python program of its own that has ONNX Runtime's process, and that one's pid."""
    # What starts in the background inherits that Ctrl-C is ignored, unlike what a terminal starts.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = f"{heard}{head}print(RuntimeProcess.shared().pid, flush=True)\n{textwrap.dedent(text)}"
    started = subprocess.Popen(
        [sys.executable, "-c", code, endless],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
        start_new_session=group,
    )
    assert started.stdout is not None
    return started, int(started.stdout.readline())


def is_gone(pid: int) -> bool:
    """Waits for a process to be gone, or to be what nobody has waited for."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
@pytest.mark.parametrize(
    "end",
    ["sys.exit(0)", "os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError"],
)
def test_it_ends_with_the_program(end: str, endless: Path) -> None:
    started, pid = program(endless, end)
    started.communicate()
    assert is_gone(pid)


@needs_proc
def test_it_ends_while_it_runs_when_the_program_is_killed(endless: Path) -> None:
    started, pid = program(endless, "run_for_ever()")
    time.sleep(0.2)
    started.kill()
    started.communicate()
    assert is_gone(pid)


@needs_proc
def test_ctrl_c_ends_a_file_that_never_ends(endless: Path) -> None:
    started, pid = program(endless, "run_for_ever()", group=True)
    time.sleep(0.2)
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: all of the group gets it
    _, said = started.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    assert "ProcessDied" not in said
    assert is_gone(pid)


def test_ctrl_c_that_the_program_catches_leaves_it_usable(endless: Path) -> None:
    text = """
    try:
        run_for_ever()
    except KeyboardInterrupt:
        (y,) = OrtSession(identity(1, ["n"])).run({"x": torch.ones(2)})
        print(y.tolist(), flush=True)
    """
    started, _ = program(endless, text, head=SESSIONS, group=True)
    time.sleep(0.2)
    os.killpg(started.pid, signal.SIGINT)
    printed, _ = started.communicate(timeout=60)
    assert printed.strip() == "[1.0, 1.0]"


def test_a_fork_starts_one_of_its_own_and_leaves_the_programs_alone(endless: Path) -> None:
    text = """
    one = OrtSession(identity(1, ["n"]))
    child = os.fork()
    if not child:
        fine = one.run({"x": torch.ones(2)})[0].tolist() == [1, 1]
        os._exit(0 if fine else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(one.run({"x": torch.ones(2)})[0].tolist(), RuntimeProcess.shared().pid)
    """
    started, pid = program(endless, text, head=SESSIONS)
    printed, _ = started.communicate(timeout=60)
    assert printed.splitlines() == ["0", f"[1.0, 1.0] {pid}"]


def test_stdin_and_stdout_stay_the_programs(endless: Path) -> None:
    started, _ = program(endless, "print(sys.stdin.read(), end='')")
    assert started.communicate("what comes in\n", timeout=60) == ("what comes in\n", "")


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import torch, fxexport\n"
        "print('begins', flush=True)\n"
        "done = fxexport.export(torch.relu, (torch.ones(2),))\n"
        "print(done.report.verification.ok)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["begins", "True"]


def test_modules_beside_the_program_do_not_stand_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "queue", "inspect", "platform"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not this one')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert runs(OrtSession(identity(1, ["n"])))


def test_it_imports_little() -> None:
    code = (
        "import sys; import fxexport.targets.onnxruntime.worker; "
        "assert not {'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    source = Path(worker.__file__).read_text()
    assert "import fxexport" not in source
    assert "from fxexport" not in source
