"""How a result shows itself in a console and in a notebook: what it holds, in a line or a table.

All of its fields are in ``model_dump()``.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


class Brief:
    """Gives ``repr`` and a notebook's table from ``_brief``; comes before ``Record``."""

    def _brief(self) -> Mapping[str, str]:
        """What matters most, by name, in the order in which it is shown."""
        raise NotImplementedError

    def __repr__(self) -> str:
        told = ", ".join(f"{name}: {text}" for name, text in self._brief().items())
        return f"<{type(self).__name__} {told}>"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
            for name, text in self._brief().items()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"


def tell_joules(joules: float | None, half_width_j: float | None, origin: str | None) -> str:
    """Joules with their interval and what they are; ``none`` where there is no number."""
    if joules is None:
        return "none"
    interval = "" if half_width_j is None else f" ± {half_width_j:.2g}"
    return f"{joules:.4g}{interval} J" + (f" ({origin})" if origin else "")
