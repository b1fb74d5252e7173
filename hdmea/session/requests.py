"""Features that were asked for and wait for what they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FeatureRequests:
    """Wanted features with their parameters, and what each waits for."""

    def __init__(self) -> None:
        self._parameters: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, str] = {}

    def add(self, name: str, parameters: Mapping[str, Any], waits_for: str) -> None:
        """Ask for a feature, in place of an older request for it."""
        self._parameters[name] = dict(parameters)
        self._waiting[name] = waits_for

    def remove(self, name: str) -> None:
        """Ask for a feature no longer."""
        del self._parameters[name], self._waiting[name]

    def wanted(self) -> dict[str, dict[str, Any]]:
        """Parameters of each feature that waits."""
        return {name: dict(values) for name, values in self._parameters.items()}

    def waiting(self) -> dict[str, str]:
        """What each feature waits for."""
        return dict(self._waiting)

    def as_header(self) -> dict[str, Any]:
        """For a file's header."""
        return {"pending": dict(self._waiting), "requests": self.wanted()}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> FeatureRequests:
        """From a file's header."""
        requests = cls()
        requests._parameters = dict(header["requests"])
        requests._waiting = dict(header["pending"])
        return requests
