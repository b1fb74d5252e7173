"""Draw all figures anew, or those that are named: ``PYTHONPATH=docs python -m figures on_off``."""

import sys

from figures import FIGURES
from figures.canvas import draw, path_of, save

for name in sys.argv[1:] or FIGURES:
    save(draw(FIGURES[name]), path_of(name))
