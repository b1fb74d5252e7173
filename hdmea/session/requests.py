"""Features that were asked for and wait for what they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hdmea.digest import plain, plain_text

FAILED = "to be asked for again, because it failed"
"""Beginning of what a feature waits for that could not be computed."""


class FeatureRequests:
    """Wanted features with their parameters, and what each waits for."""

    def __init__(self) -> None:
        self._parameters: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, str] = {}

    def __copy__(self) -> FeatureRequests:
        return FeatureRequests.from_header(self.as_header())

    def add(self, name: str, parameters: Mapping[str, Any], waits_for: str) -> None:
        """Ask for a feature, in place of an older request for it."""
        self._parameters[plain_text(name, "name of a feature")] = plain(parameters, name)
        self._waiting[name] = waits_for

    def remove(self, name: str) -> None:
        """Ask for a feature no longer, if it was asked for."""
        self._parameters.pop(name, None)
        self._waiting.pop(name, None)

    def wanted(self) -> dict[str, dict[str, Any]]:
        """Parameters of each feature that waits, and has not failed."""
        return {
            name: dict(values)
            for name, values in sorted(self._parameters.items())
            if not self._waiting[name].startswith(FAILED)
        }

    def waiting(self) -> dict[str, str]:
        """What each feature waits for."""
        return dict(sorted(self._waiting.items()))

    def as_header(self) -> dict[str, Any]:
        """For a file's header."""
        return {"pending": dict(self._waiting), "requests": dict(self._parameters)}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> FeatureRequests:
        """From a file's header."""
        requests = cls()
        requests._parameters = dict(header["requests"])
        requests._waiting = dict(header["pending"])
        return requests
