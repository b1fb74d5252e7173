"""The probe: what the vendor's reader sees, crashes, hangs and disagreements."""

from __future__ import annotations

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from mcs_recordings import Pair, sensor_trace, write_pair

from hdmea.batch import status_kept
from hdmea.errors import (
    FileMissingError,
    ParameterError,
    RecordingFileError,
    RecordingNotReadError,
    UnreadableRecordingError,
)
from hdmea.mcs import probe, probe_pair
from hdmea.pipeline import create_session, load_recording


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return write_pair(tmp_path, sensor_trace(10, 20, 13, 22))


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put another program in the place of the child's."""

    def install(source: str) -> None:
        folder = tmp_path / "modules"
        folder.mkdir()
        (folder / "stand_in.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setattr(probe, "_MODULE", "stand_in")

    return install


READING = (
    "import json, sys\nprint(json.dumps({'reading': sys.argv[-1].split('=')[1]}), flush=True)\n"
)


def test_both_readers_agree_on_a_pair(pair: Pair) -> None:
    report = probe_pair(pair.cmcr, pair.cmtr)
    assert (report.n_units, report.n_spikes, report.n_streams) == (3, 4, 3)
    assert report.vendor_version.startswith("0.4")


def test_either_file_may_come_alone(pair: Pair) -> None:
    report = probe_pair(str(pair.cmcr), None)
    assert (report.n_units, report.n_spikes, report.n_streams) == (None, None, 3)
    pair.cmcr.unlink()  # the link of the other then leads nowhere
    report = probe_pair(None, pair.cmtr)
    assert (report.n_units, report.n_spikes, report.n_streams) == (3, 4, None)


def test_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="neither"):
        probe_pair(None, None)
    with pytest.raises(FileMissingError, match=r"none\.cmtr"):
        probe_pair(None, tmp_path / "none.cmtr")


def test_a_disagreement_names_file_and_unit(pair: Pair) -> None:
    # The vendor takes the sensor from the group's attribute alone, and text for a number.
    with h5py.File(pair.cmtr, "r+") as file:
        file["Spike Sorter/Unit 10"].attrs["SensorID"] = np.bytes_("7")
    with pytest.raises(RecordingFileError, match="disagree in 1 place") as caught:
        probe_pair(None, pair.cmtr)
    assert str(pair.cmtr) in str(caught.value)
    assert "unit 10: vendor [7, 3" in str(caught.value)


def test_what_only_one_of_both_sees_is_a_disagreement(pair: Pair) -> None:
    # Without its four names the vendor's reader skips an object; ours needs the type only.
    with h5py.File(pair.cmcr, "r+") as file:
        del file["Acquisition/Analog Data"].attrs["ID.InstanceID"]
    with pytest.raises(RecordingFileError, match="analog stream Analog Data: vendor nothing"):
        probe_pair(pair.cmcr, pair.cmtr)


def test_a_file_we_refuse_is_refused_in_our_words(pair: Pair) -> None:
    pair.cmcr.write_bytes(pair.cmcr.read_bytes()[:5000])
    with pytest.raises(RecordingFileError, match="copy it again") as caught:
        probe_pair(pair.cmcr, pair.cmtr)
    assert str(pair.cmcr) in str(caught.value)


def test_a_file_only_the_vendor_cannot_read_is_named(pair: Pair) -> None:
    with h5py.File(pair.cmtr, "r+") as file:
        # It takes text of fixed length only.
        file.attrs["ProgramName"] = file.attrs["ID.Instance"] = "text of variable length"
    with pytest.raises(RecordingFileError, match="the probe of it failed") as caught:
        probe_pair(None, pair.cmtr)
    assert str(pair.cmtr) in str(caught.value)


@pytest.mark.parametrize("link", ["/etc/passwd", "../x.cmcr"])
def test_a_link_out_of_the_folder_is_not_given_to_the_vendor(pair: Pair, link: str) -> None:
    with h5py.File(pair.cmtr, "r+") as file:
        del file["Acquisition"]
        file["Acquisition"] = h5py.ExternalLink(link, "/Acquisition")
    with pytest.raises(RecordingFileError, match="same folder is expected"):
        probe_pair(None, pair.cmtr)


def test_a_link_to_a_pipe_does_not_hang(pair: Pair) -> None:
    pair.cmcr.unlink()
    os.mkfifo(pair.cmcr)
    with pytest.raises(RecordingFileError, match="same folder is expected"):
        probe_pair(None, pair.cmtr, deadline_s=20)


def test_a_crash_is_an_error_that_names_the_file(pair: Pair, child) -> None:
    child(READING + "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(RecordingFileError, match=r"crashed .*Segmentation fault") as caught:
        probe_pair(pair.cmcr, pair.cmtr)
    assert str(pair.cmtr) in str(caught.value)


@pytest.mark.parametrize("vendors", [True, False])
def test_a_check_that_the_system_has_ended_may_be_tried_again(
    pair: Pair, child, tmp_path: Path, vendors: bool
) -> None:
    told = READING.replace("'reading'", "'read'").partition("\n")[2] if vendors else ""
    child(f"{READING}{told}import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    kind = RecordingNotReadError if vendors else UnreadableRecordingError
    status = tmp_path / "status.json"
    for _ in range(2):  # the second one is a new try, not the memory of the first
        with (
            pytest.raises(
                kind, match=r"ended from outside .*Killed.* Try again when the computer has memory"
            ),
            status_kept(status, "key"),
        ):
            probe_pair(pair.cmcr, pair.cmtr)


@pytest.mark.parametrize("vendors", [True, False])
def test_what_crashes_our_reader_is_refused_also_where_the_probe_only_warns(
    pair: Pair, child, vendors: bool
) -> None:
    told = READING.replace("'reading'", "'read'").partition("\n")[2] if vendors else ""
    child(f"{READING}{told}import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    session = create_session("rec", cmtr_path=pair.cmtr)
    if vendors:
        load_recording(session=session, probe="warn")
        assert "crashed" in session.warnings[0]
    else:
        with pytest.raises(UnreadableRecordingError, match=r"Rec-\.cmtr: the probe .*crashed"):
            load_recording(session=session, probe="warn")


def test_a_hang_ends_at_the_deadline(pair: Pair, child) -> None:
    child(READING + "import time; time.sleep(60)")
    begun = time.monotonic()
    with pytest.raises(RecordingFileError, match=r"not read within 0\.5 s") as caught:
        probe_pair(None, pair.cmtr, deadline_s=0.5)
    assert time.monotonic() - begun < 10
    assert str(pair.cmtr) in str(caught.value)


def test_thousands_of_complaints_end_in_one_line(pair: Pair, child) -> None:
    child(READING + "sys.exit('complaint\\n' * 100_000 + 'the last word')")
    with pytest.raises(RecordingFileError, match="the last word") as caught:
        probe_pair(pair.cmcr, None)
    assert len(str(caught.value)) < 1000


def test_without_the_vendors_reader_no_file_is_blamed(pair: Pair, child) -> None:
    child(READING + "print(json.dumps({'no_vendor': 'No module named McsPy'}))")
    with pytest.raises(RecordingFileError, match="check itself could not start: No module named M"):
        probe_pair(pair.cmcr, None)


def test_a_check_that_cannot_start_does_not_blame_the_file(pair: Pair, child) -> None:
    child("import no_such_module")
    with pytest.raises(RecordingFileError, match=r"could not start: .*no_such_module"):
        probe_pair(pair.cmcr, None)


def test_modules_in_the_working_directory_are_not_run(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('run from the data folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert probe_pair(None, pair.cmtr.name).n_units == 3
