"""micro_batch x accumulation x world is the global batch, exactly, or there is no lock."""

from hypothesis import given
from hypothesis import strategies as st

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.accumulation import accumulation
from kavaspec.rules.micro_batch import micro_batch

GIB = 1 << 30
TABLE = ((40 * GIB, 8), (24 * GIB, 4), (8 * GIB, 2), (0, 1))


@given(
    global_batch=st.integers(1, 4096),
    world=st.integers(1, 64),
    max_length=st.integers(8, 8192),
    parameters=st.integers(1, 10**11),
    memory=st.integers(1, 200 * GIB),
    curve=st.none() | st.tuples(st.integers(0, GIB), st.integers(0, GIB)),
    allowed=st.just(ANYTHING) | st.builds(Allowed, min=st.integers(1, 64), max=st.integers(1, 64)),
)
def test_rules_split_a_global_batch_exactly(
    global_batch, world, max_length, parameters, memory, curve, allowed
):
    tried = curve and [[1, curve[0]], [8, curve[0] + curve[1]]]
    try:
        micro = micro_batch(
            global_batch=global_batch,
            world=world,
            device="cuda",
            max_length=max_length,
            checkpointing=False,
            parameters=parameters,
            gpu_memory=memory,
            unified=False,
            host_memory=None,
            overhead=None,
            plain=tried,
            again=None,
            table=TABLE,
            allowed=allowed,
        ).value
        steps = accumulation(global_batch, micro, world).value
    except Undecidable:
        too_small = tried is not None and memory < 3 * GIB
        assert global_batch % world or allowed is not ANYTHING or too_small
    else:
        assert micro * steps * world == global_batch
        assert allowed.refuses(micro) is None


@given(global_batch=st.integers(1, 4096), micro=st.integers(1, 128), world=st.integers(1, 64))
def test_a_split_written_by_hand_is_exact_or_refused_with_values_that_work(
    global_batch, micro, world
):
    try:
        value = accumulation(global_batch, micro, world).value
    except Undecidable as stop:
        assert global_batch % (micro * world)
        for offer in stop.hint.split(", or "):
            name, _, values = offer.removeprefix("train.").partition(" = ")
            for number in values.split(" or "):
                asked = {"global_batch": global_batch, "micro_batch": micro, "world": world}
                accumulation(**(asked | {name: int(number)}))
    else:
        assert micro * value * world == global_batch
