"""train.steps: what the epochs come to; one epoch when the spec says neither."""

from __future__ import annotations

from kavaspec.decision import Decision, Rejected, Rule, Term, Undecidable


def steps(epochs: int | None, rows: int, global_batch: int, tail: str) -> Decision:
    """Whole global batches of an epoch, times the epochs. `tail` says what happens to the rest.

    Raises:
        Undecidable: if there are no rows, or too few for one global batch.
    """
    if rows == 0:
        raise Undecidable("data.split has no rows", hint="name another split")
    passes = 1 if epochs is None else epochs
    left = rows % global_batch
    if tail == "wrap":
        formula, per_epoch = (
            f"({rows} + {global_batch - 1}) // {global_batch}",
            -(-rows // global_batch),
        )
    else:
        formula, per_epoch = f"{rows} // {global_batch}", rows // global_batch
    if per_epoch == 0:
        raise Undecidable(
            f"{rows} rows do not fill one global batch of {global_batch}",
            hint=f'train.global_batch = {rows} or less, or data.tail = "wrap"',
        )
    return Decision(
        value=per_epoch * passes,
        because=_because(epochs, per_epoch, rows, global_batch),
        rejected=_rejected(tail, left, per_epoch, passes),
        terms=(
            Term(name="steps of an epoch", formula=formula, value=per_epoch),
            Term(name="steps", formula=f"{per_epoch} * {passes}", value=per_epoch * passes),
        ),
    )


def _because(epochs: int | None, per_epoch: int, rows: int, global_batch: int) -> str:
    each = f"{rows} rows in global batches of {global_batch}"
    if epochs is None:
        return f"one epoch (the spec names none) of {each} is {per_epoch} steps"
    return f"{epochs} x {per_epoch} steps: an epoch is {each}"


def _rejected(tail: str, left: int, per_epoch: int, passes: int) -> tuple[Rejected, ...]:
    if not left:
        return ()
    if tail == "wrap":
        return (
            Rejected(
                value=(per_epoch - 1) * passes,
                because=f'would leave {left} rows of each epoch unread (data.tail = "wrap")',
            ),
        )
    return (
        Rejected(
            value=(per_epoch + 1) * passes,
            because=f'{left} rows of each epoch do not fill a global batch (data.tail = "drop")',
        ),
    )


RULE = Rule(
    key="train.steps",
    inputs={
        "epochs": "train.epochs",
        "rows": "fact.data.rows",
        "global_batch": "train.global_batch",
        "tail": "data.tail",
    },
    decide=steps,
)
