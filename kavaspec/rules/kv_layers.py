"""objective.kv.layers: every layer of the student that keeps keys and values."""

from __future__ import annotations

from collections import Counter

from kavaspec.decision import Decision, Rejected, Rule, Undecidable
from kavaspec.kv_layout import holders, parse_layout


def kv_layers(layout: str) -> Decision:
    """Indices of the layers with keys and values of their own.

    Raises:
        Undecidable: if there is none.
    """
    layers = parse_layout(layout)
    chosen = holders(layout)
    others = Counter(layer.kind for layer in layers if not layer.holds_kv)
    if not chosen:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        raise Undecidable(
            f"none of the student's {len(layers)} layers keeps keys and values ({kinds})",
            hint='choose another student, or objective.kind = "ce"',
        )
    return Decision(
        value=chosen,
        because=f"{len(chosen)} of the student's {len(layers)} layers keep keys and values",
        rejected=tuple(
            Rejected(
                value=tuple(index for index, layer in enumerate(layers) if layer.kind == kind),
                because=f"{kind} layers keep no keys and values of their own",
            )
            for kind in sorted(others)
        ),
    )


RULE = Rule(
    key="objective.kv.layers", inputs={"layout": "fact.student.kv_layout"}, decide=kv_layers
)
