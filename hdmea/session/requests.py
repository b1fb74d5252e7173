"""Features that were asked for and wait for what they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FeatureRequests:
    """Wanted features with their parameters, and what each waits for."""

    def __init__(self) -> None:
        self._parameters: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, str] = {}

    def add(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Ask for a feature, in place of an older request for it."""
        self._parameters[name] = dict(parameters)
        self._waiting[name] = "its turn"

    def wanted(self) -> dict[str, dict[str, Any]]:
        """Parameters of each feature that waits."""
        return {name: dict(values) for name, values in self._parameters.items()}

    def waiting(self) -> dict[str, str]:
        """What each feature waits for."""
        return dict(self._waiting)

    def set_waiting(self, name: str, reason: str | None) -> None:
        """Say what a feature waits for; None removes the request."""
        if reason is None:
            del self._parameters[name], self._waiting[name]
        else:
            self._waiting[name] = reason

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
