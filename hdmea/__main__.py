"""``python -m hdmea`` is the command ``hdmea``."""

from __future__ import annotations

import sys

from hdmea.cli import main

if __name__ == "__main__":
    sys.exit(main())
