"""Programs that are started, and end at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable


def program(words: list[str]) -> Callable[[], None]:
    """Start Python with these words, and wait for its end."""

    def act() -> None:
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)

    return act


def loaded(words: list[str], package: str) -> Callable[[], int]:
    """Modules of a package that are loaded when the command line ends."""
    script = (
        "import sys\n"
        "from hdmea.cli import main\n"
        f"sys.argv = ['hdmea', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"n = sum(name.partition('.')[0] == {package!r} for name in sys.modules)\n"
        "print(n, file=sys.stderr)\n"
    )

    def act() -> int:
        done = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        )
        return int(done.stderr)

    return act
