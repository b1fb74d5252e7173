"""A sample of the faults of `make faults`, the shim that plants them, and the page about them."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faults import __main__ as program
from faults import calls
from faults.judge import DAMAGED, End, Tally, judge, state_of
from faults.kills import KILLS_OF
from faults.kinds import EVERY_FAULT, FAULTS, LIMITS, RANDOM_KILL
from faults.lab import PARAMETERS, Lab
from faults.limits import TIMES
from faults.page import PAGE, rendered, stored
from faults.planting import ROOT, Found, plant, scratch_folder
from faults.power import PAGE_BYTES, Call, after_power_loss
from faults.power_losses import POWER_LOSSES
from faults.scenarios import SCENARIOS, small_session
from faults.shim import NoCompilerError, build, environment
from faults.strace import can_trace
from faults.tables import total
from faults.topics import TOPICS
from hdmea.steps.registry import STEPS

SAMPLES: dict[str, tuple[float, Sequence[str]]] = {
    # scenario: what share of the calls get which of the faults
    "save over an old file": (0.02, list(FAULTS)),
    "save without overwriting": (0.01, ["torn write", "SIGINT", "EIO for ever"]),
    "save of an array kept on disk": (0.01, ["kill", "short write", "ENOSPC for ever"]),
    "link to the last result": (0.2, ["kill", "EIO once", "EIO for ever"]),
    "`compute_sta` on a file": (0.001, ["stop", "SIGTERM", "EDQUOT once"]),
    "part of `extract_features`": (0.001, ["kill", "ENOSPC once"]),
    "all of `load_recording`": (0.001, ["torn write", "EDQUOT for ever"]),
    "table of units": (0.15, ["kill", "EIO once"]),
}


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return build(tmp_path_factory.mktemp("shim"))
    except NoCompilerError as error:
        pytest.skip(str(error))


# -- a sample --------------------------------------------------------------------------------------


@pytest.fixture
def room(lab: Lab) -> Iterator[Path]:
    folder = (scratch_folder() or lab.folder) / f"room_{os.getpid()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def all_good(found: Found) -> Tally:
    assert found.wrong == []
    everything = total(asdict(tally) for tally in found.tallies.values())
    assert everything.bad == {}
    assert everything.faults == everything.old + everything.new + everything.between
    return everything


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SAMPLES)
def test_no_fault_tears_loses_or_hides_anything(
    scenario: str, shim: Path, lab: Lab, room: Path
) -> None:
    share, faults = SAMPLES[scenario]
    found = plant(shim, lab, room, scenario, faults, share=share)
    everything = all_good(found)
    assert everything.faults >= len(faults) - 1  # not each call can be cut
    assert everything.retries + everything.next_runs > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_strace_plants_faults_where_no_shim_can_be_built(lab: Lab, room: Path) -> None:
    if why := can_trace():
        pytest.skip(why)
    faults = ["kill", "torn write", "SIGINT", "ENOSPC for ever", "EIO once", "EIO for ever"]
    found = plant(
        None, lab, room, "save over an old file", faults, share=0.01, planter="strace"
    )  # fmt: skip
    assert all_good(found).faults >= 5
    assert found.tallies["torn write"] == Tally()  # which it cannot
    assert found.calls > 80


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_limits_of_the_system_and_random_kills_leave_the_old_file_or_the_new_one(
    lab: Lab, room: Path
) -> None:
    faults = [*LIMITS, RANDOM_KILL.name]
    found = plant(
        None, lab, room, "save of an array kept on disk", faults, times=3, planter="none"
    )  # fmt: skip
    everything = all_good(found)
    assert everything.faults == everything.retries + everything.next_runs
    assert set(found.skipped) <= {"full file system"}
    assert all(tally.faults > 0 for tally in found.tallies.values())
    for why in found.skipped.values():
        pytest.skip(why)


CARELESS = """
import json, sys
from pathlib import Path
from faults import driver, scenarios

def prepare(_, folder):
    def act():
        try:
            with (folder / "units.csv").open("w") as file:
                for line in range(3):
                    file.write("new" * 5000)
                    file.flush()
        except OSError:
            pass
    return act

start = {"units.csv": scenarios.SCENARIOS["table of units"].start["units.csv"]}
scenarios.SCENARIOS["careless"] = scenarios.Scenario("careless", start, prepare, tuple(start))
once = dict.fromkeys(json.loads(sys.argv[3]), 1)
asked = {"faults": once, "share": 1.0, "times": 2, "planter": "shim"}
driver.main(Path(sys.argv[1]), Path(sys.argv[2]), "careless", asked)
"""


def test_what_a_careless_writer_does_is_found(shim: Path, lab: Lab, room: Path) -> None:
    faults = ["stop", "kill", "ENOSPC for ever", "size limit", "read-only folder"]
    done = run_with(shim, CARELESS, lab.folder, room, json.dumps(faults))
    told = [json.loads(line) for line in done.stdout.splitlines()]
    bad = {one["fault"]: Tally(**one["tally"]).bad for one in told if "tally" in one}
    assert bad == {
        "stop": {"torn": 3},
        "kill": {"torn": 3},
        "ENOSPC for ever": {"torn": 3, "silent": 4},
        "size limit": {"torn": 2, "silent": 2},
        "read-only folder": {"silent": 2},
    }


def test_every_step_and_its_part_is_among_what_is_run() -> None:
    assert set(PARAMETERS) == set(STEPS)
    for step in STEPS:
        assert {f"`{step}` on a file", f"part of `{step}`", f"all of `{step}`"} < set(SCENARIOS)
    assert set(SAMPLES) | set(KILLS_OF) | set(TIMES) < set(SCENARIOS)
    assert sum(KILLS_OF.values()) == 1000


# -- what would be found ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "fault", "end", "expected"),
    [
        ("old", "kill", End(-9, {}), {"old": 1}),
        ("new", "kill", End(0, {}), {"new": 1}),
        ("cut", "kill", End(-9, {}), {"torn": 1}),
        ("flipped", "kill", End(-9, {}), {"torn": 1}),
        ("gone", "kill", End(-9, {}), {"lost": 1}),
        ("another", "kill", End(-9, {}), {"torn": 1}),
        ("old", "EIO once", End(0, {}), {"old": 1, "silent": 1}),
        ("old", "EIO once", End(-signal.SIGSEGV, {}), {"old": 1, "crashes": 1}),
        ("old", "EIO once", End(-9, {}), {"old": 1, "crashes": 1}),
        ("old", "EIO once", End(1, {"number": errno.EIO}), {"old": 1}),
        ("old", "EIO once", End(1, {"number": errno.ENOSPC}), {"old": 1, "wrong_error": 1}),
        ("old", "EIO once", End(1, {"filename": "elsewhere.h5"}), {"old": 1, "wrong_error": 1}),
        ("old", "EIO once", End(1, {"message": "no"}), {"old": 1, "wrong_error": 1}),
        ("old", "size limit", End(1, {"number": errno.EFBIG, "says": errno.EFBIG}), {"old": 1}),
        ("old", "memory limit", End(1, {"kind": "MemoryError"}), {"old": 1}),
        ("old", "EIO once", End(1, {"kind": "MemoryError"}), {"old": 1, "wrong_error": 1}),
        ("old", "random kill", End(-9, {}), {"old": 1}),
        ("old", "SIGINT", End(1, {"kind": "KeyboardInterrupt"}), {"old": 1}),
        ("old", "SIGINT", End(1, {"kind": "RuntimeError"}), {"old": 1, "wrong_error": 1}),
        ("stray", "EIO once", End(1, {}), {"old": 1, "strays": 1}),
        ("stray", "kill", End(-9, {}), {"old": 1}),  # the next run sweeps it
    ],
)
def test_what_breaks_a_promise_is_counted(
    done: str, fault: str, end: End, expected: dict[str, int], tmp_path: Path
) -> None:
    path, finals = tmp_path / "rec.h5", ("rec.h5",)
    small_session(3).save(path)
    after = state_of(tmp_path, finals)
    small_session(2).save(path)
    before = state_of(tmp_path, finals)
    whole = path.read_bytes()
    if done == "new":
        small_session(3).save(path)
    elif done == "another":
        small_session(4).save(path)
    elif done == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif done == "flipped":
        at = whole.index(b"good")
        path.write_bytes(whole[:at] + b"gold" + whole[at + 4 :])
    elif done == "gone":
        path.unlink()
    elif done == "stray":
        (tmp_path / ".rec.h5.host.1.00ff00ff.partial").touch()
    error = {
        "kind": "OutputWriteError",
        "errno": end.error.get("number", errno.EIO),
        "filename": str(path),
        "message": f"could not write {path}: {os.strerror(end.error.get('says', errno.EIO))}",
    } | dict(end.error)
    told = End(end.code, error if end.code > 0 else {})
    tally = judge(told, EVERY_FAULT[fault], tmp_path, finals, before, after, struck_removing=False)
    assert tally == Tally(faults=1, **expected)
    assert (state_of(tmp_path, finals)["rec.h5"] == DAMAGED) is (done in ("cut", "flipped"))


# -- the shim --------------------------------------------------------------------------------------

CHANGES = """
import os, sys
from pathlib import Path
from faults.shim import Shim
from faults.kinds import FAULTS
folder = Path(sys.argv[1])
shim = Shim(folder)
shim.disarm()
os.mkdir(folder / "a")
os.chdir(folder)
file = os.open("b", os.O_RDWR | os.O_CREAT)
os.write(file, b"12"); os.pwrite(file, b"34", 2)
os.writev(file, [b"5"]); os.pwritev(file, [b"6"], 1)
os.ftruncate(file, 3); os.posix_fallocate(file, 0, 9); os.fsync(file); os.fdatasync(file)
os.copy_file_range(file, os.open("c", os.O_WRONLY | os.O_CREAT), 2)
os.rename("b", folder / "d"); os.link("d", "e"); os.symlink("d", "f"); os.truncate("d", 1)
os.unlink("e"); os.rmdir("a"); os.replace("d", "g")
os.open(".", os.O_WRONLY | os.O_TMPFILE)
os.read(os.open("g", os.O_RDONLY), 1)
Path("/dev/null").write_bytes(b"elsewhere")
print(shim.seen)
"""


def run_with(shim: Path, script: str, *arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env=environment(shim),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_shim_counts_every_call_that_changes_a_file_and_no_other(
    shim: Path, tmp_path: Path
) -> None:
    done = run_with(shim, CHANGES, tmp_path)
    assert (done.stdout, done.stderr) == ("20\n", "")


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace is here to count calls")
def test_the_shim_counts_what_the_system_counts(shim: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from faults.shim import Shim\n"
        "from faults.scenarios import small_session\n"
        "session = small_session(20); shim = Shim(Path(sys.argv[1])); shim.disarm()\n"
        "session.save(Path(sys.argv[1]) / 'rec.h5'); print(shim.seen)\n"
    )
    log = tmp_path / "strace.log"
    traced = (
        "write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,rename,link,unlink,mkdir,openat"
    )
    counted = subprocess.run(
        ["strace", "-f", "-y", "-o", log, "-e", f"trace={traced}",
         "-E", f"LD_PRELOAD={shim}", sys.executable, "-c", script, tmp_path / "out"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "Operation not permitted" in counted.stderr:
        pytest.skip("this system allows no tracing")
    assert counted.returncode == 0, counted.stderr
    below = [line for line in log.read_text().splitlines() if f"{tmp_path}/out" in line]
    calls = Counter(re.search(r"(\w+)\(", line)[1] for line in below)  # type: ignore[index]
    made = sum("O_CREAT" in line for line in below)
    calls.pop("openat")
    assert int(counted.stdout) == calls.total() + made > 80


FAILS = """
import os, sys
from pathlib import Path
from faults.shim import Shim
from faults.kinds import FAULTS
file = os.open(sys.argv[1] + "/x", os.O_RDWR | os.O_CREAT)
shim = Shim(Path(sys.argv[1]))
shim.arm(FAULTS[sys.argv[2]], 2)
for number in range(3):
    try:
        print(os.write(file, b"1234"), flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


@pytest.mark.parametrize(
    ("fault", "said", "code", "size"),
    [
        ("kill", "4", -9, 4),
        ("torn write", "4", -9, 6),
        ("SIGTERM", "4", -15, 4),
        ("short write", "4 2 4", 0, 10),
        ("ENOSPC once", f"4 {errno.ENOSPC} 4", 0, 8),
        ("EDQUOT for ever", f"4 {errno.EDQUOT} {errno.EDQUOT}", 0, 4),
        ("EIO for ever", f"4 {errno.EIO} {errno.EIO}", 0, 4),
    ],
)
def test_the_shim_does_what_a_fault_says(
    fault: str, said: str, code: int, size: int, shim: Path, tmp_path: Path
) -> None:
    done = run_with(shim, FAILS, tmp_path, fault)
    assert (done.stdout.split(), done.returncode) == (said.split(), code)
    assert (tmp_path / "x").stat().st_size == size


def test_without_a_compiler_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCompilerError, match="cc or gcc"):
        build(tmp_path)


# -- power losses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", POWER_LOSSES.parts)
def test_after_a_power_loss_the_name_has_the_old_file_or_the_new_one(
    part: str, tmp_path: Path
) -> None:
    found = POWER_LOSSES.run(tmp_path, part, 0.3)
    assert found["states"] == found["old"] + found["new"] == 300
    assert min(found["old"], found["new"], found["bad_without_sync"]) > 10


CALLS = [
    Call("write", 1, at=0, data=b"a" * PAGE_BYTES),
    Call("write", 1, at=PAGE_BYTES, data=b"b"),
    Call("sync", 1),
    Call("name", 1, name="x"),
    Call("sync", 2),
]
NEW = b"a" * PAGE_BYTES + b"b"


@pytest.mark.parametrize(
    ("calls", "seen"),
    [
        (CALLS, {b"old", NEW}),
        ([*CALLS[2:], Call("write", 1, data=b"c")], {b"old", b"", b"c"}),
        # renamed before it was synced: a page may be lost, or read as zeros
        ([*CALLS[:2], CALLS[3]], {b"old", b"", CALLS[0].data, bytes(PAGE_BYTES) + b"b", NEW}),
        # cut after its name was synced: any length it has had
        ([CALLS[3], CALLS[4], Call("length", 1, at=2)], {b"old", b"", bytes(2)}),
    ],
)
def test_a_disk_keeps_what_was_synced_and_perhaps_more(calls: list[Call], seen: set[bytes]) -> None:
    rng = np.random.default_rng(4)
    assert {after_power_loss(calls, "x", b"old", rng) for _ in range(300)} == seen


# -- the page --------------------------------------------------------------------------------------


def test_the_page_is_what_was_found() -> None:
    found = {name: stored(topic) for name, topic in TOPICS.items()}
    assert PAGE.read_text(encoding="utf-8") == rendered(found)
    for name, topic in TOPICS.items():
        assert list(found[name]) == [part for part in topic.parts if part in found[name]]
        assert topic.bad(found[name]) == 0
    for one in found["calls"].values():
        assert set(one["tallies"]) <= set(FAULTS)


def test_the_page_shows_what_broke_a_promise_and_what_was_not_done() -> None:
    def found(tally: Tally) -> dict[str, Any]:
        calls = {"table of units": {"calls": 3, "tallies": {"kill": asdict(tally)}}}
        return {name: {} for name in TOPICS} | {"calls": calls}

    assert "Of 3 faults none broke a promise" in rendered(found(Tally(faults=3, old=1, new=2)))
    torn = found(Tally(faults=3, old=1, torn=2))
    page = rendered(torn)
    assert calls.bad(torn["calls"]) == 2
    assert "Of 3 faults 2 broke a promise" in page
    assert "| table of units | 3 | 1 | none | 3 | 1 | 0 | 0 | **2** |" in page
    assert "Not done yet: save over an old file, " in page
    assert "Not done yet: save over an old file, save without overwriting." in page


@pytest.mark.parametrize(
    ("names", "count"),
    [([], sum(len(topic.parts) for topic in TOPICS.values())), (["power_losses"], 2),
     (["calls:picture", "power_losses:save over an old file"], 2)],
)  # fmt: skip
def test_topics_and_their_parts_are_chosen_by_name(names: list[str], count: int) -> None:
    assert len(list(program.chosen(names))) == count


@pytest.mark.parametrize(
    ("name", "said"), [("earthquake", "there are calls, "), ("calls:dance", "it has\n  save over")]
)
def test_a_name_that_is_not_known_is_said_with_those_that_are(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(program.chosen([name]))


def test_a_topic_stores_what_it_found_beside_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faults.page.FOUND", tmp_path / "found")
    assert program.main(["power_losses"], share=0.02) == 0
    assert [one["states"] for one in stored(POWER_LOSSES).values()] == [20, 20]
    assert stored(TOPICS["calls"]) == {}
