"""The support tables, made from the rules themselves.

python -m porting.cli.support      # writes them into docs/support.md of this checkout
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..layers import RULES, Rule

HEAD = """# What is supported

By family; [what is refused, and why](refusals.md) is a page of its own. `porting layers NAME` shows single rows.

{families}

## Layer by layer

One row for each rule: Keras' layer, or ``ops.`` and the operation of `keras.ops` used as a layer.
"Trains" says whether weights before and in the layer learn; what gives whole numbers has nothing to learn from.
"""
# In the order of the tables: what networks are mostly made of first, operations last.
FAMILIES = {
    "core": "core",
    "convolutions": "convolutions",
    "locally_connected": "locally connected",
    "pooling": "pooling",
    "recurrent": "recurrent",
    "convolution_recurrent": "recurrent convolutions",
    "attention": "attention",
    "normalization": "normalisation by statistics of many rows",
    "scaling": "normalisation of each row",
    "activations": "activations by name",
    "activation_layers": "activation layers",
    "merging": "merging",
    "products": "products",
    "shaping": "shapes",
    "resizing": "images, padding and cropping",
    "spectrograms": "sound",
    "wrappers": "wrappers",
    "categories": "text and categories",
    "applications": "of keras.applications",
    "unfolded": "what stands for the code of layers of your own",
    "operation_elementwise": "operations: arithmetic, comparisons, logic",
    "operation_axes": "operations: reductions and what goes along axes",
    "operation_products": "operations: products",
    "operation_shapes": "operations: shapes and places",
    "operation_composed": "operations: formulas",
    "operation_windows": "operations: windows",
    "operation_images": "operations: images",
    "operation_patches": "operations: patches and filters",
    "operation_warps": "operations: warps",
    "operation_fourier": "operations: Fourier transforms",
    "operation_losses": "operations: cross-entropies",
    "operation_arrays": "operations: arrays",
    "operation_algebra": "operations: linear algebra",
    "operation_refused": "operations: in neither engine",
}


def registered() -> list[Rule]:
    """Porting's own rules; by family in the order of `FAMILIES`, then by name."""
    own = [rule for rule in RULES.values() if rule.is_builtin]
    return sorted(own, key=lambda rule: (list(FAMILIES).index(rule.family), rule.class_name))


def support_rows() -> list[tuple[str, str, str, str, str]]:
    """A row for each rule: class, numpy, NeoML, whether weights before it learn in NeoML, remarks."""
    return [(rule.class_name, rule.numpy, rule.neoml, _learning(rule), rule.note) for rule in registered()]


def _learning(rule: Rule) -> str:
    if rule.neoml == "refused" or rule.family == "categories":
        return "–"
    return rule.learns


def as_markdown() -> str:
    """Every rule in a row."""
    lines = ["| layer | numpy | NeoML | trains in NeoML | remarks |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in support_rows()]
    return "\n".join(lines)


def families_as_markdown() -> str:
    """A row for each family: what is exact in both engines, and what NeoML does only in part or not at all."""
    by_family: dict[str, list[Rule]] = {}
    for rule in (one for one in registered() if one.numpy == "exact"):
        by_family.setdefault(rule.family, []).append(rule)
    lines = ["| | exact in numpy and NeoML | partly or not in NeoML; numpy runs them |", "|---|---|---|"]
    for family, rules in by_family.items():
        exact = [rule for rule in rules if rule.neoml == "exact"]
        others = [rule for rule in rules if rule.neoml != "exact"]
        lines.append(f"| {FAMILIES[family]} | {_names(exact)} | {_names(others)} |")
    return "\n".join(lines)


def _names(rules: Iterable[Rule]) -> str:
    return ", ".join(rule.class_name for rule in rules) or "–"


def support_page() -> str:
    """The text of docs/support.md."""
    return f"{HEAD.format(families=families_as_markdown())}\n{as_markdown()}\n"


if __name__ == "__main__":
    page = Path(__file__).resolve().parents[2] / "docs" / "support.md"
    page.write_text(support_page(), encoding="utf-8")
