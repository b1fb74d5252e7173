"""Which contributions a session holds, and which variable came with which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hdmea.arrays import Variable
from hdmea.contribution import Contribution
from hdmea.digest import content_digest
from hdmea.errors import ParameterError, SessionFileError


class Ledger(Mapping[str, Contribution]):
    """Contributions by name, in the order in which they were made; each variable has one owner."""

    def __init__(self) -> None:
        self._contributions: dict[str, Contribution] = {}
        self._owner: dict[str, str] = {}

    def __copy__(self) -> Ledger:
        other = Ledger()
        other._contributions, other._owner = dict(self._contributions), dict(self._owner)
        return other

    def __getitem__(self, name: str) -> Contribution:
        return self._contributions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._contributions)

    def __len__(self) -> int:
        return len(self._contributions)

    @property
    def paths(self) -> list[str]:
        """Paths of all variables, sorted."""
        return sorted(self._owner)

    def variable(self, path: str) -> Variable | None:
        """The variable at a path, if there is one."""
        owner = self._owner.get(path)
        return None if owner is None else self._contributions[owner].variables[path]

    def add(self, contribution: Contribution) -> list[Contribution]:
        """Add a contribution in place of an older one of that name.

        Returns
        -------
        list of Contribution
            What was made from the older one, removed because it no longer holds.

        Raises
        ------
        ParameterError
            If another contribution has brought a variable of the same path.
        """
        for path in contribution.variables:
            owner = self._owner.get(path, contribution.name)
            if owner != contribution.name:
                raise ParameterError(
                    f"both {owner!r} and {contribution.name!r} bring {path!r}; name one of them "
                    "otherwise, as a session holds each variable once"
                )
        dropped = self._remove(contribution.name)
        self._contributions[contribution.name] = contribution
        self._owner.update(dict.fromkeys(contribution.variables, contribution.name))
        return dropped

    def put_back(self, contribution: Contribution) -> None:
        """Put the same contribution in its place, its arrays now somewhere else."""
        self._contributions[contribution.name] = contribution

    def require_consistent(self, where: str) -> None:
        """Make sure that every contribution was made from the parents that are here.

        Raises
        ------
        SessionFileError
            If a parent is missing, has another key, or has the key and other content.
        """
        for contribution in self.values():
            made_from = contribution.run.get("made_from", {})
            for parent, key in contribution.recipe.parents.items():
                here = self.get(parent)
                if here is None or here.key != key or here.content != made_from.get(parent):
                    raise SessionFileError(
                        f"{where}: {contribution.name!r} was made from another {parent!r} than the "
                        "one given, or it is missing; make it again"
                    )

    def content_digest(self, pending: Mapping[str, str]) -> str:
        """Digest of all content."""
        return content_digest({c.name: (c.key, c.roots()) for c in self.values()}, pending)

    def _remove(self, name: str) -> list[Contribution]:
        removed = self._contributions.pop(name, None)
        if removed is None:
            return []
        for path in removed.variables:
            del self._owner[path]
        dropped = []
        for child in list(self._contributions.values()):
            if name in child.recipe.parents and child.name in self._contributions:
                dropped += [child, *self._remove(child.name)]
        return dropped
