"""Write docs/errors.md: ``PYTHONPATH=docs python -m messages [--tests [ARGUMENT ...]]``.

With ``--tests``, tests are run before, and the messages that they meet are the page's examples: all
tests that are not slow, or what the arguments of pytest name.
"""

import argparse

from messages.examples import record
from messages.page import PAGE, rendered

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--tests", nargs=argparse.REMAINDER, help="run tests first, for the examples")
given = parser.parse_args()
if given.tests is not None:
    record(given.tests)
PAGE.write_text(rendered(), encoding="utf-8")
