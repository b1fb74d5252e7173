"""What one step (or one feature, or one stimulus' STA) added to a session, and from what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hdmea.arrays import Variables
from hdmea.digest import VariableDigest, digest_variable, plain, sha256_json
from hdmea.errors import ParameterError


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a contribution contains, known before it is computed.

    Parameters
    ----------
    name
        Name of the contribution: the step's, or ``features.<feature>``, ``sta.<stimulus>``.
    step
        The step that makes it.
    version
        Version of the definition; a new one means that results may differ.
    parameters
        The parameters that affect the result, as plain values.
    inputs
        Digest of each input file's content, by the role it plays.
    parents
        Key of each contribution that it is made from, by name.

    Examples
    --------
    >>> a = Recipe("features.frif", "extract_features", 1, {}, {}, {"load_recording": "12ab"})
    >>> b = Recipe("features.frif", "extract_features", 2, {}, {}, {"load_recording": "12ab"})
    >>> a.key == b.key
    False
    """

    name: str
    step: str
    version: int
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    parents: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.name or "\0" in self.name + self.step:
            # Cause: a step of one's own gives its contribution no name, or one that cannot be
            # stored.
            raise ParameterError(
                f"a contribution of step {self.step!r} has the name {self.name!r}; a name is "
                "needed, and neither may have NUL characters"
            )
        for field_name in ("name", "step", "parameters", "inputs", "parents"):
            value = plain(getattr(self, field_name), f"{self.name}: {field_name}")
            object.__setattr__(self, field_name, value)  # as its file gives it back

    @property
    def key(self) -> str:
        """sha256 over all of it: equal keys mean equal results."""
        return sha256_json(
            {
                "name": self.name,
                "step": self.step,
                "version": self.version,
                "parameters": dict(self.parameters),
                "inputs": dict(self.inputs),
                "parents": dict(self.parents),
            }
        )


@dataclass(frozen=True)
class Contribution:
    """A recipe and what came of it.

    ``run`` tells about the run that made it (times, host, and under ``made_from`` the content of
    each parent): never part of its identity.
    """

    recipe: Recipe
    variables: Variables
    run: Mapping[str, Any] = field(default_factory=dict)
    _digests: dict[str, VariableDigest] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Name of the contribution."""
        return self.recipe.name

    @property
    def key(self) -> str:
        """The recipe's key."""
        return self.recipe.key

    def digest(self, path: str) -> VariableDigest:
        """Digest of one variable; computed once, since variables are never changed."""
        if path not in self._digests:
            self._digests[path] = digest_variable(self.variables[path], path)
        return self._digests[path]

    @property
    def content(self) -> str:
        """sha256 over all variables: what the recipe really gave."""
        return sha256_json(self.roots())

    def roots(self) -> dict[str, str]:
        """Root digest of every variable by path."""
        return {path: self.digest(path).root for path in self.variables}
