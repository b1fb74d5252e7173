"""How a session shows itself; never reads arrays, never writes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hdmea.terminal import in_a_line

if TYPE_CHECKING:
    from hdmea.session.session import PipelineSession


def rows(session: PipelineSession) -> list[tuple[str, str]]:
    """What there is to say about a session, a word and a text each."""
    units = session["units/unit_id"].data.shape[0] if "units/unit_id" in session else None
    said = [
        ("dataset_id", session.dataset_id),
        ("state", session.save_state.value),
        ("units", "not loaded" if units is None else str(units)),
        ("steps done", ", ".join(sorted(session.completed_steps)) or "none"),
    ]
    if session.pending:
        said.append(
            ("pending", ", ".join(f"{n} (waits for {w})" for n, w in session.pending.items()))
        )
    if session.warnings:
        said.append(("warnings", str(len(session.warnings))))
    said.append(("in memory", f"{session.memory_estimate_gb:.3f} GB"))
    return said


def as_text(session: PipelineSession) -> str:
    """For a terminal."""
    lines = (in_a_line(f"  {word:<11} {text}") for word, text in rows(session))
    return "\n".join(["PipelineSession", *lines])


def as_html(session: PipelineSession) -> str:
    """For a notebook."""
    cells = "".join(f"<tr><th>{escape(w)}</th><td>{escape(t)}</td></tr>" for w, t in rows(session))
    return f"<table><caption>PipelineSession</caption>{cells}</table>"
