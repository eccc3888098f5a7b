"""scheduler.memory_bytes: what the job was given, or most of what the machine has."""

from __future__ import annotations

from kavaspec.decision import Decision, Rejected, Rule, Term

MIB = 1 << 20


def memory_bytes(stated: int | None, total: int) -> Decision:
    """Seven eighths of the usable memory, in whole MiB, unless the scheduler states a number."""
    if stated is not None:
        return Decision(value=stated, because=f"the scheduler states {stated // MIB} MiB on a node")
    value = total * 7 // 8 // MIB * MIB
    return Decision(
        value=value,
        because=f"seven eighths of {total // MIB} MiB; the system needs the rest",
        rejected=(
            Rejected(value=total, because="schedulers offer less than the machine's whole memory"),
        ),
        terms=(
            Term(
                name="seven eighths, in whole MiB",
                formula=f"{total} * 7 // 8 // {MIB} * {MIB}",
                value=value,
            ),
        ),
    )


RULE = Rule(
    key="scheduler.memory_bytes",
    inputs={"stated": "fact.scheduler.memory_bytes", "total": "fact.memory.total_bytes"},
    decide=memory_bytes,
)
