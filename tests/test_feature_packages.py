"""Features of other packages: found, refused and missed in plain words; they harm nobody else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from feature_package import ROOT, write_installed

from hdmea.batch import all_steps, parts_of, read_config, read_recordings
from hdmea.batch.plan import Part
from hdmea.batch.recordings import Recording
from hdmea.errors import (
    FeaturePackageError,
    ParameterError,
    UnknownNameError,
)
from hdmea.features.registry import FEATURES, get_feature, in_order
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    adjust_p_values,
    compare,
    compute_sta,
    create_session,
    curate_units,
    extract_features,
    load_recording,
    run_recording,
    write_units_table,
)
from hdmea.store.describe import describe_session, render_session

NOISE, BARS = "perfect_dense_noise_15x15_15hz_r42_24s", "tiny_moving_bar_d8_1x"

TOY = """
import numpy as np
from pydantic import BaseModel, Field
from hdmea.features.declaration import Feature, FeatureResult, Output

class Params(BaseModel, extra="forbid"):
    scale: float = Field(1.0, gt=0, description="Factor.")

def compute(inputs, params):
    counts = np.diff(inputs.spikes.index, prepend=0)
    return FeatureResult({{"scaled": params.scale * counts}})

TOY = Feature("{name}", {version}, Params, frozenset({needs}), None,
    (Output("scaled", "1", "spikes, scaled"),), compute, "For tests.")
"""

Place = Callable[..., None]


def toy(name: str = "toy", needs: set[str] = frozenset({"spikes"}), version: int = 1) -> str:
    return TOY.format(name=name, needs=sorted(needs), version=version)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Installs packages for the time of the test; their modules are forgotten afterwards."""
    before = set(sys.modules)

    def installed(name: str, entries: dict[str, str], version: str = "1.0", **modules: str) -> None:
        site = tmp_path / f"site_{name}_{version}"
        write_installed(site, name, entries, version, **modules)
        for module in modules:
            sys.modules.pop(module, None)
        monkeypatch.syspath_prepend(site)

    yield installed
    for module in set(sys.modules) - before:
        if "toy" in module:
            del sys.modules[module]


@pytest.fixture(scope="module")
def loaded(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = create_session(**places)
    load_recording(session=session, probe="off")
    return session.save(tmp_path_factory.mktemp("loaded") / "rec.h5")


# -- found -----------------------------------------------------------------------------------------


def test_a_feature_of_a_package_is_known_and_hdmeas_own_stay_the_default(
    place: Place, loaded: Path
) -> None:
    place("toys", {"toy": "toy_module:TOY"}, toy_module=toy())
    assert get_feature("toy").name == "toy"
    assert "toy" not in FEATURES
    fields = extract_features.step.parameters.model_fields
    assert fields["features"].default == tuple(FEATURES)
    session = PipelineSession.load(loaded)
    extract_features(features="toy", parameters={"toy": {"scale": 2}}, session=session)
    assert session.features["toy"]["scaled"].tolist() == (2.0 * session.units["n_spikes"]).tolist()
    with pytest.raises(ParameterError, match=r"feature toy: sale: unknown, did you mean 'scale'"):
        extract_features(features="toy", parameters={"toy": {"sale": 2}}, session=session)
    with pytest.raises(UnknownNameError, match=r"'toi' .*frif, .*of other packages: toy \(toys 1"):
        extract_features(features="toi", session=session)


def test_a_package_that_is_installed_meanwhile_is_found(place: Place, tmp_path: Path) -> None:
    place("toys", {"toy": "toy_module:TOY"}, toy_module=toy())
    with pytest.raises(UnknownNameError):
        get_feature("toy_two")
    site = tmp_path / "site_toys_1.0"
    write_installed(site, "more", {"toy_two": "toy_two:TOY"}, toy_two=toy("toy_two"))
    assert get_feature("toy_two").name == "toy_two"


def test_nothing_of_a_package_is_imported_until_its_feature_is_asked_for(
    place: Place, loaded: Path
) -> None:
    place("toys", {"toy": "toy_module:TOY"}, toy_module="raise RuntimeError('no GPU')")
    session = PipelineSession.load(loaded)
    extract_features(features=["frif", "unit_quality"], session=session)
    read_config({"recordings": "r", "stimuli": "s", "steps": {"load_recording": None}})
    assert "toy_module" not in sys.modules


def test_what_is_told_of_a_result_names_package_and_version_and_the_digest_does_not(
    place: Place, loaded: Path, tmp_path: Path
) -> None:
    def made(package: str, version: str, text: str = TOY) -> PipelineSession:
        module = text.format(name="toy", version=1, needs=["spikes"])
        place(package, {"toy": "toy_module:TOY"}, version, toy_module=module)
        session = PipelineSession.load(loaded)
        return extract_features(features=["toy", "unit_quality"], session=session)

    one = made("toys", "1.0")
    told = {name: c.run.get("package") for name, c in one.contributions.items()}
    assert told["features.toy"] == "toys 1.0"
    assert told["features.unit_quality"].startswith("hdmea ")
    first = one.save(tmp_path / "one.h5")
    assert "features.toy, version 1, of toys 1.0" in render_session(describe_session(first))
    assert made("toys", "1.1").content_digest == one.content_digest
    # a definition that was changed and not counted up shows in the comparison
    other = made("toys", "1.2", TOY.replace("* counts", "* counts + 1")).save(tmp_path / "two.h5")
    (found,) = compare(first, other).recordings
    assert "software: toys 1.0 in A, 1.2 in B" in found.causes


def test_the_same_name_in_another_package_is_another_feature(
    loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for package in ("toys", "toys", "other-toys"):
        site = tmp_path / f"{package}{len(digests)}"
        write_installed(site, package, {"toy": "toy_module:TOY"}, toy_module=toy())
        sys.modules.pop("toy_module", None)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(site)
            session = PipelineSession.load(loaded)
            digests.append(extract_features(features=["toy"], session=session).content_digest)
    sys.modules.pop("toy_module", None)
    assert digests[0] == digests[1] != digests[2]


# -- refused ---------------------------------------------------------------------------------------

NO_UNIT = toy().replace('"1", "spikes', '"", "spikes')


@pytest.mark.parametrize(
    ("entry", "module", "said"),
    [
        ("toy_module:TOY", "import no_such_package", "ModuleNotFoundError: .*no_such_package"),
        ("toy_module:TOY", "1 +", "SyntaxError"),
        ("toy_module:TOY", "raise SystemExit(3)", "SystemExit: 3"),
        ("toy_module:TOYS", toy(), "AttributeError: .*TOYS"),
        ("no_toy_module:TOY", toy(), "ModuleNotFoundError: .*no_toy_module"),
        ("toy_module:compute", toy(), "no Feature .* but of type function.*package.module:NAME"),
        ("toy_module:TOY", toy("other"), "calls itself 'other'.* the same word"),
        ("toy_module:TOY", toy(version=0), "version must be a whole number from 1, not 0"),
        ("toy_module:TOY", NO_UNIT, "output 'scaled': numbers need a unit"),
    ],
)
def test_a_feature_that_cannot_be_used_is_refused_with_its_package_and_harms_no_other(
    place: Place, loaded: Path, entry: str, module: str, said: str
) -> None:
    place("broken-toys", {"toy": entry}, toy_module=module)
    session = PipelineSession.load(loaded)
    refusal = rf"'toy' of the package broken-toys 1.0 \(entry point toy = {entry}\).*{said}"
    with pytest.raises(FeaturePackageError, match=refusal):
        extract_features(features=["toy"], session=session)
    assert session.pending == {}
    with pytest.raises(UnknownNameError, match=rf"'toi'.*not usable: .*broken-toys.*{said}"):
        extract_features(features=["toi"], session=session)
    config = {"recordings": "r", "stimuli": "s"}
    with pytest.raises(ParameterError, match=rf"features\.0: .*broken-toys.*{said}"):
        read_config(config | {"steps": {"extract_features": {"features": ["toy"]}}})
    extract_features(features=["frif"], session=session)
    assert session.completed_steps == {"load_recording", "extract_features"}


def test_a_name_of_two_packages_is_refused_and_one_of_hdmeas_own_is_hdmeas(
    place: Place, loaded: Path
) -> None:
    place("toys", {"toy": "toy_module:TOY"}, toy_module=toy())
    place("more-toys", {"toy": "toy_two:TOY", "frif": "toy_two:TOY"}, toy_two=toy())
    with pytest.raises(FeaturePackageError, match=r"in more-toys 1.0 and toys 1.0.*Uninstall"):
        get_feature("toy")
    with pytest.raises(UnknownNameError, match=r"frif of more-toys 1.0 has the name of hdmea's"):
        get_feature("toi")
    session = PipelineSession.load(loaded)
    extract_features(features=["frif"], session=session)
    assert "rate_hz" in {path.rpartition("/")[2] for path in session.paths("features/frif/")}
    assert any("that of more-toys 1.0 has the same name" in w for w in session.warnings)


def test_circles_and_needs_that_nobody_meets_are_named(place: Place, loaded: Path) -> None:
    entries = {name: f"toy_{name}:TOY" for name in ("hen", "egg", "nest")}
    place(
        "toys",
        entries,
        toy_hen=toy("hen", {"spikes", "features.egg"}),
        toy_egg=toy("egg", {"spikes", "features.hen"}),
        toy_nest=toy("nest", {"spikes", "features.twig"}),
    )
    with pytest.raises(ParameterError, match="circle: hen -> egg -> hen"):
        in_order(["hen"])
    session = PipelineSession.load(loaded)
    with pytest.raises(UnknownNameError, match=r"'nest' needs feature 'twig'\. .*not known"):
        extract_features(features=["nest"], session=session)
    steps = {"extract_features": {"features": ["nest"]}}
    with pytest.raises(ParameterError, match=r"cannot be used:\n  Feature 'nest' needs feature 't"):
        read_config({"recordings": "r", "stimuli": "s", "steps": steps})


# -- gone ------------------------------------------------------------------------------------------


def test_results_of_a_package_that_is_gone_are_kept(
    place: Place, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its results load, save and export; what would have to be made again waits for it."""
    with monkeypatch.context() as patch:
        site = tmp_path / "site"
        modules = {"toy_module": toy(), "toy_sta": toy("of_sta", {"spikes", "sta"})}
        entries = {"toy": "toy_module:TOY", "of_sta": "toy_sta:TOY"}
        write_installed(site, "toys", entries, **modules)
        patch.syspath_prepend(site)
        path = tmp_path / "rec.h5"
        steps = {
            "load_recording": {"probe": "off"},
            "add_section_time": {"playlist_name": "tiny"},
            "compute_sta": {"stimulus": NOISE, "cover_range": (-3, 0), "z": False},
            "extract_features": {"features": ["toy", "of_sta"]},
        }
        run_recording(steps, path, **places)
        values = PipelineSession.load(path).features["toy"]["scaled"].tolist()
    for module in modules:
        sys.modules.pop(module)
    with pytest.raises(UnknownNameError, match="'toy' is not known"):
        get_feature("toy")

    session = PipelineSession.load(path)
    assert session.features["toy"]["scaled"].tolist() == values
    extract_features(features=["frif"], session=session)
    copy = session.save(tmp_path / "copy.h5")
    assert PipelineSession.load(copy).features["of_sta"]["scaled"].tolist() == values
    table = write_units_table([copy], tmp_path / "units.csv").read_text()
    assert "toy.scaled" in table.splitlines()[0]
    assert "features/toy/scaled" in render_session(describe_session(copy))
    assert session.pending == {}

    compute_sta(stimulus=BARS, cover_range=(-3, 0), z=False, session=session)
    assert session.features["of_sta"]["scaled"].tolist() == values
    assert any("of_sta was made before the STA of another" in w for w in session.warnings)
    # what it was made from is another now
    compute_sta(stimulus=NOISE, cover_range=(-4, 0), z=False, session=session)
    assert session.pending.keys() == {"of_sta"}
    assert session.pending["of_sta"].startswith("a package that has it: Feature 'of_sta' is not")
    assert "toy" in session.features
    waiting = session.save(tmp_path / "waiting.h5")
    place("toys", entries, **modules)
    session = PipelineSession.load(waiting)
    add_section_time(playlist_name="tiny", session=session)
    assert session.pending == {}
    assert session.features["of_sta"]["scaled"].tolist() == values


def test_its_p_values_have_q_values_and_keep_them_when_it_is_gone(
    loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = toy().replace('"scaled"', '"p_few"').replace('scaled"),)', 'scaled", is_p_value=True),)')
    text = text.replace("params.scale * counts", "1.0 / (1 + counts)")
    session = PipelineSession.load(loaded)
    with monkeypatch.context() as patch:
        write_installed(tmp_path / "site", "toys", {"toy": "toy_module:TOY"}, toy_module=text)
        patch.syspath_prepend(tmp_path / "site")
        extract_features(features=["toy"], session=session)
        curate_units(session=session)
        adjust_p_values(session=session)
    del sys.modules["toy_module"]
    table = session.features["toy"]
    assert (table["q_few"] >= table["p_few"]).all()
    made = session.save(tmp_path / "rec.h5")
    session = extract_features(features=["unit_quality"], session=PipelineSession.load(made))
    assert session.features["toy"]["q_few"].tolist() == table["q_few"].tolist()
    assert not any("q values" in warning for warning in session.warnings)
    curate_units(min_spikes=1000, session=session)
    assert "q_few" not in session.features["toy"]
    assert any("toy has no q values: Feature 'toy' is" in warning for warning in session.warnings)
    assert session.features["toy"]["p_few"].tolist() == table["p_few"].tolist()


# -- the workflow's plan ---------------------------------------------------------------------------


def configured(scale: float = 1.0, **features: Any) -> dict[str, Any]:
    asked = {"features": ["frif", "toy"], "parameters": {"toy": {"scale": scale}}, **features}
    return {"recordings": "r.tsv", "stimuli": "s", "steps": {"extract_features": asked}}


def part(values: dict[str, Any]) -> Part:
    return parts_of(read_config(values))["features.toy"]


def test_the_configuration_knows_the_parameters_of_a_package(place: Place) -> None:
    place("toys", {"toy": "toy_module:TOY"}, toy_module=toy())
    config = read_config(configured(scale=3))
    assert config.parameters("extract_features")["parameters"] == {"toy": {"scale": 3.0}}
    with pytest.raises(ParameterError, match=r"toy\.scale: Input should be greater than 0"):
        read_config(configured(scale=-1))
    with pytest.raises(ParameterError, match=r"toy\.scales: unknown, did you mean 'scale'"):
        read_config(configured(parameters={"toy": {"scales": 1}}))
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    for features in (["frif", "toy"], ["toy"], "toy"):
        published = read_config(configured(features=features)).as_published()
        jsonschema.validate(published, schema)
        assert "toy" not in str(published)


def test_a_recording_may_have_its_own_parameters_of_a_package(place: Place, tmp_path: Path) -> None:
    place("toys", {"toy": "toy_module:TOY"}, toy_module=toy())
    own, table = tmp_path / "own.yaml", tmp_path / "recordings.tsv"
    own.write_text("extract_features: {parameters: {toy: {scale: 7}}}")
    column = "extract_features.parameters.toy.scale"

    def scales(*rows: str) -> list[float]:
        table.write_text("\n".join([f"recording\tcmtr\toverrides\t{column}", *rows, ""]))
        config = read_config(configured(scale=3) | {"recordings": str(table)})
        found = read_recordings(config).values()
        asked = [all_steps(config, one)["extract_features"] for one in found]
        return [one["parameters"]["toy"]["scale"] for one in asked]

    assert scales("a\ta.cmtr", f"b\tb.cmtr\t{own}", f"c\tc.cmtr\t{own}\t5") == [3, 7, 5]
    with pytest.raises(
        ParameterError, match=rf"line 2: column {column}: Input should be greater than 0"
    ):
        scales("a\ta.cmtr\t\t-5")
    own.write_text("extract_features: {parameters: {toy: {scales: 7}}}")
    with pytest.raises(ParameterError, match=r"toy\.scales: unknown, did you mean 'scale'"):
        scales(f"b\tb.cmtr\t{own}")


def test_a_part_is_made_anew_for_another_parameter_definition_or_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording("rec", {}, {})

    def definition(package: str, version: str, definition: int, scale: float) -> dict[str, Any]:
        site = tmp_path / f"{package}{version}{definition}{scale}"
        entries = {"toy": "toy_module:TOY"}
        write_installed(site, package, entries, version, toy_module=toy(version=definition))
        sys.modules.pop("toy_module", None)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(site)
            return part(configured(scale)).definition(recording)

    first = definition("toys", "1.0", 1, 1.0)
    assert first["parameters"]["parameters"] == {"toy": {"scale": 1.0}}
    assert definition("toys", "1.1", 1, 1.0) == first
    assert definition("toys", "1.0", 2, 1.0) != first
    assert definition("toys", "1.0", 1, 2.0) != first
    assert definition("other-toys", "1.0", 1, 1.0) != first
    sys.modules.pop("toy_module", None)
