"""Recordings of no unit, of one, and of units without a spike go through every step."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    adjust_p_values,
    compute_sta,
    create_session,
    curate_units,
    draw_overview,
    extract_features,
    load_recording,
    section_spike_times,
    summary_line,
    verify,
    write_units_table,
)
from hdmea.simulate import Faults, SensorRegion, simulate_recording, write_stimulus_library

STA = "sta/perfect_dense_noise_15x15_15hz_r42_24s"


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stimuli")
    write_stimulus_library(folder, "tiny")
    return folder


@pytest.mark.parametrize(
    ("name", "n_cells", "n_empty", "said"),
    [
        ("none", 0, 0, "0 units, 0 included; 0 spikes; 76.1 s; playlist tiny; no unit to classify; "
         "STA significant 0 of 0"),
        ("silent", 0, 2, "2 units, 2 included; 0 spikes; 76.1 s; playlist tiny; no response 2; "
         "STA significant 0 of 2"),
        ("one", 1, 0, "1 unit, 1 included; 629 spikes; 76.1 s; playlist tiny; ON 1; "
         "STA significant 1 of 1"),
    ],
)  # fmt: skip
def test_few_units_go_through_every_step_in_both_modes(
    stimuli: Path, tmp_path: Path, name: str, n_cells: int, n_empty: int, said: str
) -> None:
    files = simulate_recording(
        tmp_path,
        name,
        library=stimuli,
        playlist="tiny",
        n_cells=n_cells,
        seed=2,
        faults=Faults(empty_units=n_empty),
    )
    n_units = n_cells + n_empty
    places = {"cmcr_path": files.cmcr_path, "cmtr_path": files.cmtr_path}
    probe = "error" if name == "none" else "off"  # it takes a second
    path = load_recording(**places, output_dir=tmp_path / "immediate", probe=probe).hdf5_path
    add_section_time(path, playlist_name="tiny", stimuli_dir=stimuli)
    section_spike_times(path)
    extract_features(path, features=["frif", "on_off"])
    compute_sta(path, cover_range=(-20, 0))
    curate_units(path)
    result = adjust_p_values(path)

    session = create_session(**places, stimuli_dir=stimuli, output_dir=tmp_path / "deferred")
    load_recording(session=session, probe="off")
    extract_features(features=["frif", "on_off"], session=session)
    assert session.pending == {"on_off": "add_section_time"}
    curate_units(session=session)
    adjust_p_values(session=session)
    add_section_time(playlist_name="tiny", session=session)
    section_spike_times(session=session)
    compute_sta(cover_range=(-20, 0), session=session)
    saved = session.save()
    assert session.content_digest == result.content_digest
    assert verify(saved).is_good

    again = PipelineSession.load(saved)
    assert again.pending == {}
    assert len(again.units) == n_units
    assert again.values("features/frif/rate_hz").shape[0] == n_units
    assert again.values(f"{STA}/sta").shape == (n_units, 20, 15, 15)
    assert f"units       {n_units}" in repr(again)
    assert str(n_units) in again._repr_html_()
    spikeless = again.values("units/n_spikes") == 0
    assert spikeless.sum() == n_empty
    assert np.isnan(again.values(f"{STA}/sta")[spikeless]).all()
    assert (again.values("features/on_off/on_off_index_reason")[spikeless] == "no_response").all()
    assert (again.values("features/frif/rate_hz")[spikeless] == 0).all()
    on_off = again.features["on_off"]
    assert (on_off["q_on"] == on_off["p_on"]).all()  # a family of one, or none that stands out

    assert f"{name}: {said}" in summary_line(saved)
    with write_units_table([saved], tmp_path / "units.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["unit_id"] for row in rows] == [str(n) for n in again.values("units/unit_id")]
    header = (tmp_path / "units.csv").read_text().splitlines()[0]
    assert "on_off.on_off_index," in header
    picture = draw_overview(saved, tmp_path / "overview.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_sensor_stream_does_not_disturb_the_loading(stimuli: Path, tmp_path: Path) -> None:
    def digest(name: str, sensor: SensorRegion | None) -> str:
        files = simulate_recording(
            tmp_path / name,
            "rec",
            library=stimuli,
            playlist="tiny",
            n_cells=2,
            seed=2,
            sensor=sensor,
            faults=Faults(stop_after_s=12.0),
        )
        session = create_session(cmcr_path=files.cmcr_path, cmtr_path=files.cmtr_path)
        load_recording(session=session)
        assert session.warnings == []
        return "".join(
            session[path].data[()].tobytes().hex()
            for path in ("stimulus/frame_times", "stimulus/photodiode", "units/spike_times")
        )

    assert digest("with", SensorRegion(30, 30, 33, 32)) == digest("without", None)
