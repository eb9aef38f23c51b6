"""A child that is killed, crashes, takes too long or too much is one upload's misfortune, and nobody else's."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from hostile import good, thin
from pictures import encoded
from whylight.web.intake import Decoders, Limits, Refused

SLOW = thin(50_000, 20_000)  # half a second, of the processor alone


def children() -> set[int]:
    found = {
        child.pid for child in multiprocessing.active_children() if child.name.startswith("pebble") and child.is_alive()
    }
    return {pid for pid in found if pid is not None}


def started(decoders: Decoders) -> set[int]:
    before = children()
    decoders.warm()
    return children() - before


def work_of(child: int) -> int:
    """Hundredths of a second that a process has worked."""
    fields = Path(f"/proc/{child}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def await_work(child: int, before: int) -> None:
    """Wait until a child is at it, however busy the machine is."""
    end = time.monotonic() + 10
    while work_of(child) < before + 4 and time.monotonic() < end:
        time.sleep(0.005)


def takes(decoders: Decoders, folder: Path) -> None:
    """A good picture is taken."""
    assert decoders.upright(good()["turned.jpg"], folder, view=True)[:2] == (48, 64)
    for path in folder.iterdir():
        path.unlink()


def test_overdue(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(seconds=0.1)) as decoders:
        decoders.warm()
        start = time.perf_counter()
        with pytest.raises(Refused, match="takes too long") as caught:
            decoders.upright(SLOW, tmp_path, view=True)
        assert time.perf_counter() - start < 0.5
        assert caught.value.status == 413
        assert not list(tmp_path.iterdir())
        takes(decoders, tmp_path)


def test_out_of_memory(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(memory=16 * 2**20)) as decoders:
        for kind, fast in {"JPEG": {}, "PNG": {"compress_level": 1}, "WEBP": {"method": 0}}.items():
            with pytest.raises(Refused, match="more memory than a picture may") as caught:
                decoders.upright(
                    encoded(Image.new("RGB", (3000, 3000), (20, 90, 200)), kind, **fast), tmp_path, view=True
                )
            assert caught.value.status == 413
            assert not list(tmp_path.iterdir())
        takes(decoders, tmp_path)


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        (signal.SIGSEGV, 400, "damaged"),  # the decoder fell over the picture
        (signal.SIGXCPU, 413, "takes too long"),
        (signal.SIGKILL, 503, "try again"),  # somebody outside wanted it
        (signal.SIGTERM, 503, "try again"),
    ],
)
def test_killed_at_work(how: signal.Signals, status: int, words: str, tmp_path: Path) -> None:
    with Decoders(count=1) as decoders, ThreadPoolExecutor() as threads:
        (child,) = started(decoders)
        before = work_of(child)
        asked = threads.submit(decoders.upright, SLOW, tmp_path, view=True)
        await_work(child, before)
        os.kill(child, how)
        with pytest.raises(Refused, match=words) as caught:
            asked.result()
        assert caught.value.status == status
        assert not list(tmp_path.iterdir())
        takes(decoders, tmp_path)


def test_killed_at_rest(tmp_path: Path) -> None:
    with Decoders(count=2) as decoders:
        for child in started(decoders):
            os.kill(child, signal.SIGKILL)
        time.sleep(0.3)
        takes(decoders, tmp_path)
        assert len(started(decoders)) <= 2


def test_one_hostile_upload_beside_good_ones(tmp_path: Path) -> None:
    with Decoders(count=2, limits=Limits(seconds=0.15)) as decoders, ThreadPoolExecutor() as threads:
        decoders.warm()
        bad = [tmp_path / f"bad {i}" for i in range(4)]
        fine = [tmp_path / f"good {i}" for i in range(40)]
        for folder in bad + fine:
            folder.mkdir()
        asked = [threads.submit(decoders.upright, SLOW, folder, view=False) for folder in bad]
        done = [threads.submit(decoders.upright, good()["lossy.webp"], folder, view=False) for folder in fine]
        assert all(isinstance(one.exception(), Refused) for one in asked)
        assert {one.result()[:2] for one in done} == {(64, 48)}
        assert not any(list(folder.iterdir()) for folder in bad)


def test_nobody_waits_without_end(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(patience=0.05)) as decoders, ThreadPoolExecutor() as threads:
        (child,) = started(decoders)
        before = work_of(child)
        folder = tmp_path / "slow"
        folder.mkdir()
        slow = threads.submit(decoders.upright, SLOW, folder, view=False)
        await_work(child, before)
        with pytest.raises(Refused, match="busy") as caught:
            decoders.upright(good()["colour.png"], tmp_path, view=False)
        assert caught.value.status == 503
        assert slow.result().times == 8
        assert [path.name for path in tmp_path.iterdir()] == ["slow"]


def test_children_that_do_not_answer_are_replaced(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(patience=0.1, seconds=0.1)) as decoders:
        (child,) = started(decoders)
        os.kill(child, signal.SIGSTOP)
        with pytest.raises(Refused, match="busy"):
            decoders.upright(good()["colour.png"], tmp_path, view=False)
        decoders.warm()
        takes(decoders, tmp_path)
        end = time.monotonic() + 10
        while child in children() and time.monotonic() < end:
            time.sleep(0.05)
        assert child not in children()


def test_replaced_after_so_many(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(uses=3)) as decoders:
        before = started(decoders)
        for _ in range(5):
            takes(decoders, tmp_path)
        assert not before & children()


def test_started_by_a_thread_that_is_gone(tmp_path: Path) -> None:
    with Decoders(count=1) as decoders:
        thread = threading.Thread(target=decoders.warm)
        thread.start()
        thread.join()
        alive = children()
        time.sleep(0.2)
        takes(decoders, tmp_path)
        assert alive <= children()


def test_closed_and_opened_again(tmp_path: Path) -> None:
    decoders = Decoders(count=2)
    first = started(decoders)
    decoders.close()
    assert len(first) == 2
    assert not first & children()
    takes(decoders, tmp_path)
    decoders.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of it")
@pytest.mark.parametrize("busy", [False, True])
def test_none_outlives_its_parent(busy: bool, tmp_path: Path) -> None:
    (tmp_path / "slow.jpg").write_bytes(SLOW)
    program = f"""
import multiprocessing, pathlib, threading, time
from whylight.web.intake import Decoders
folder = pathlib.Path({str(tmp_path)!r})
decoders = Decoders(count=2)
decoders.warm()
data = (folder / "slow.jpg").read_bytes()
for _ in range(2 * {busy}):
    threading.Thread(target=decoders.upright, args=(data, folder), kwargs={{"view": False}}, daemon=True).start()
time.sleep(0.1)
print(*[child.pid for child in multiprocessing.active_children()], flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    end = time.monotonic() + 1
    while time.monotonic() < end and any(is_running(pid) for pid in pids):
        time.sleep(0.02)
    assert not any(is_running(pid) for pid in pids)
    assert not (tmp_path / "picture.ppm").exists()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_asking_process_loads_no_decoder() -> None:
    program = (
        "import sys, whylight.web.intake; print(sorted({'numpy', 'PIL', 'cv2', 'torch', 'django'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
