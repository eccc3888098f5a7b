import pytest

from kavaspec.rules.memory_bytes import memory_bytes

GIB = 1 << 30


@pytest.mark.parametrize(
    ("stated", "total", "value", "because"),
    [
        (None, 16 * GIB, 14 * GIB, "seven eighths of 16384 MiB; the system needs the rest"),
        (
            None,
            16 * GIB + 12345,
            14 * GIB,
            "seven eighths of 16384 MiB; the system needs the rest",
        ),
        (64 * GIB, 512 * GIB, 64 * GIB, "the scheduler states 65536 MiB on a node"),
    ],
    ids=["machine", "whole-mib", "stated"],
)
def test_memory_bytes(stated, total, value, because):
    decision = memory_bytes(stated, total)
    assert (decision.value, decision.because) == (value, because)


def test_the_whole_machine_is_turned_down():
    [no] = memory_bytes(None, 16 * GIB).rejected
    assert (no.value, no.because) == (
        16 * GIB,
        "schedulers offer less than the machine's whole memory",
    )
