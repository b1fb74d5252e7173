"""hdmea: from CMOS-MEA recordings of the retina to one analysed file each.

Users import from :mod:`hdmea.pipeline`. This module imports nothing, so that the command line
and short jobs start at once.
"""

from __future__ import annotations

__version__ = "0.1.0"
