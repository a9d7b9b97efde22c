"""The support table, made from the rules themselves."""

from __future__ import annotations

from .layers import RULES

__all__ = ["as_markdown", "support_rows"]

def support_rows() -> list[tuple[str, str, str, str]]:
    """A row for each rule: class, numpy, NeoML, remarks; by family, then by name."""
    rows = []
    for name, rule in sorted(RULES.items(), key=lambda item: (item[1].family, item[0])):
        rows.append((name, "exact", rule.neoml, rule.note))
    return rows


def as_markdown() -> str:
    """The table for the README."""
    lines = ["| layer | numpy | NeoML | remarks |", "|---|---|---|---|"]
    lines += [f"| {name} | {numpy} | {neoml} | {remark} |" for name, numpy, neoml, remark in support_rows()]
    return "\n".join(lines)
