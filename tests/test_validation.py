"""What a model refuses, in plain words."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hdmea.validation import in_a_line, problems


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Event(Strict):
    name: str
    frame: int = 0


class Rule(Strict):
    window_s: float = Field(0.5, gt=10)
    mode: Literal["error", "warn"] = "error"
    label: str = ""

    @field_validator("label")
    @classmethod
    def _is_plain(cls, value: str) -> str:
        if " " in value:
            raise ValueError(f"{value!r} has a blank")
        return value


class Analysis(Strict):
    rule: Rule | None = None
    events: list[Event] = []
    first: int = 0
    last: int = 1

    @model_validator(mode="after")
    def _in_order(self) -> Analysis:
        if self.first >= self.last:
            raise ValueError("first must lie before last")
        return self


def refusal(values: Any) -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        Analysis.model_validate(values)
    return refused.value


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"frist": 1}, "frist: unknown, did you mean 'first'?"),
        ({"zzz": 1}, "zzz: unknown; known: rule, events, first, last"),
        ({"rule": {"window": 11}}, "rule.window: unknown, did you mean 'window_s'?"),
        ({"rule": {"last": 11}}, "rule.last: unknown; known: window_s, mode, label"),
        (
            {"events": [{"name": "on"}, {"name": "off", "frames": 2}]},
            "events.1.frames: unknown, did you mean 'frame'?",
        ),
        ({"events": [{}]}, "events.0.name: is required"),
        ({"rule": {"window_s": 1}}, "rule.window_s: Input should be greater than 10 (found 1)"),
        ({"rule": {"mode": "x"}}, "rule.mode: Input should be 'error' or 'warn' (found 'x')"),
        ({"rule": {"label": "a b"}}, "rule.label: 'a b' has a blank"),
        ({"rule": 3}, "rule: must be names with values (found 3)"),
        ({"first": 2}, "first must lie before last"),
        ([], "must be names with values"),
    ],
)
def test_each_problem_has_plain_words(values: Any, said: str) -> None:
    assert problems(refusal(values), Analysis) == [said]


def test_all_problems_are_told_each_at_its_own_level() -> None:
    error = refusal({"rule": {"label": "a b", "modes": 1}, "rules": {}, "last": "x"})
    assert [line.partition(":")[0] for line in problems(error, Analysis)] == [
        "rule.label", "rule.modes", "last", "rules",
    ]  # fmt: skip


def test_names_known_elsewhere_are_offered_at_the_top_only() -> None:
    error = refusal({"stimulus_dir": "x", "rule": {"stimulus_dir": "x"}})
    assert problems(error, Analysis, ["stimuli_dir"]) == [
        "rule.stimulus_dir: unknown; known: window_s, mode, label",
        "stimulus_dir: unknown, did you mean 'stimuli_dir'?",
    ]


def test_a_line_tells_once_what_is_known() -> None:
    known = "rule, events, first, last, place"
    assert in_a_line(refusal({"zzz": 1}), Analysis, ["place"]) == f"zzz: unknown; known: {known}"
    assert in_a_line(refusal({"frist": 1}), Analysis, ["place"]) == (
        f"frist: unknown, did you mean 'first'? Known parameters: {known}"
    )
    assert in_a_line(refusal({"rule": {"zzz": 1}}), Analysis) == (
        "rule.zzz: unknown; known: window_s, mode, label. "
        "Known parameters: rule, events, first, last"
    )
