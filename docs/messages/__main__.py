"""Write docs/errors.md: ``PYTHONPATH=docs python -m messages``."""

from messages.page import PAGE, rendered

PAGE.write_text(rendered(), encoding="utf-8")
