"""objective.kv.teacher_dim, objective.kv.student_dim: width of one token's keys, from the layout."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.decision import Decision, Rejected, Rule, Term, Undecidable
from kavaspec.kv_layout import Layer, select, sum_of_widths


def kv_width(layout: str, layers: Sequence[int], aggregate: str) -> Decision:
    """`concat` adds the widths up, `mean` and `weighted` keep the one they share, `none` lists them.

    A layer's width is heads x head_dim of what it really keeps in its cache: never hidden_size.

    Raises:
        Undecidable: if a layer has no keys and values, or `mean` meets different widths.
    """
    chosen = select(layout, layers)
    if aggregate == "none":
        return _list(chosen)
    return _sum(chosen) if aggregate == "concat" else _common(chosen, aggregate)


def _sum(chosen: tuple[Layer, ...]) -> Decision:
    formula, total = sum_of_widths(chosen), sum(layer.width for layer in chosen)
    one = chosen[0].width
    return Decision(
        value=total,
        because=_short(f"concat puts {len(chosen)} layers side by side", formula, total),
        rejected=(
            (Rejected(value=one, because=f"is one layer; concat takes {len(chosen)}"),)
            if one != total
            else ()
        ),
        terms=(Term(name="layers x heads x head_dim", formula=formula, value=total),),
    )


def _short(claim: str, formula: str, total: int) -> str:
    """The formula is left to the terms where a model has many kinds of layers."""
    spelled = f"{claim}: {formula.replace('*', 'x')} = {total}"
    return spelled if len(spelled) < 100 else f"{claim}: {total} in all"


def _common(chosen: tuple[Layer, ...], aggregate: str) -> Decision:
    widths = sorted({layer.width for layer in chosen})
    if len(widths) > 1:
        raise Undecidable(
            f"{aggregate} needs layers of one width, these are {' and '.join(map(str, widths))} wide",
            hint='objective.kv.aggregate = "none" or "concat", or objective.kv.layers of one width',
        )
    return Decision(
        value=widths[0],
        because=f"{aggregate} of {len(chosen)} layers is as wide as one: {_one(chosen)}",
        terms=(_term(chosen[0]),),
    )


def _list(chosen: tuple[Layer, ...]) -> Decision:
    widths = tuple(layer.width for layer in chosen)
    if len(set(widths)) == 1:
        because = f"each of the {len(chosen)} layers is compared by itself: {_one(chosen)}"
    else:
        because = f"each layer is compared by itself: {min(widths)} to {max(widths)} wide"
    distinct = dict.fromkeys(chosen)
    return Decision(value=widths, because=because, terms=tuple(_term(layer) for layer in distinct))


def _one(chosen: tuple[Layer, ...]) -> str:
    return f"{chosen[0].heads} x {chosen[0].head_dim} = {chosen[0].width}"


def _term(layer: Layer) -> Term:
    return Term(
        name="heads x head_dim", formula=f"{layer.heads} * {layer.head_dim}", value=layer.width
    )


RULES = (
    Rule(
        key="objective.kv.teacher_dim",
        inputs={
            "layout": "fact.teacher.kv_layout",
            "layers": "objective.kv.layer_map",
            "aggregate": "objective.kv.aggregate",
        },
        decide=kv_width,
    ),
    Rule(
        key="objective.kv.student_dim",
        inputs={
            "layout": "fact.student.kv_layout",
            "layers": "objective.kv.layers",
            "aggregate": "objective.kv.aggregate",
        },
        decide=kv_width,
    ),
)
