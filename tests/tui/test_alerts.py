import math
import random
from array import array

from kavaspec_tui import alerts
from kavaspec_tui.alerts import Watch
from kavaspec_tui.series import Samples


def watch(before, losses, first=0):
    """Look at losses of steps in a row, one second apart."""
    times = [float(first + i) for i in range(len(losses))]
    steps = [first + i + 1 for i in range(len(losses))]
    return alerts.watch(
        before, Samples(steps, [0] * len(losses), times, {"loss": array("d", losses)}), times
    )


def falling(n=400):
    dice = random.Random(7)
    return [1.4 + 6 * math.exp(-i / 60) + dice.gauss(0, 0.06) for i in range(n)]


def test_noise_and_a_steep_fall_are_no_spikes():
    assert watch(Watch(), falling())[1] == []


def test_a_spike_is_told_once_with_its_height():
    losses = falling()
    losses[206:209] = [8.69, 7.0, 5.0]
    found = watch(Watch(), losses)[1]
    assert [(a.step, a.rule) for a in found] == [(207, "spike")]
    assert found[0].message.startswith("loss 8.69 at step 207 is ")
    assert found[0].message.endswith(" sigma above its running mean 1.626")


def test_a_second_spike_after_quiet_steps_is_told_again():
    losses = falling()
    losses[206] = losses[306] = 8.0
    assert [a.step for a in watch(Watch(), losses)[1]] == [207, 307]


def test_the_first_steps_have_no_baseline():
    losses = falling(40)
    losses[30] = 50.0
    assert watch(Watch(), losses)[1] == []


def test_a_constant_loss_has_no_spikes():
    assert watch(Watch(), [2.0] * 300)[1] == []


def test_a_number_that_is_not_finite_is_told_until_it_is_again():
    found = watch(Watch(), [2.0, math.nan, math.nan, 2.0, math.inf])[1]
    assert [a.message for a in found] == ["loss is nan at step 2", "loss is inf at step 5"]
    assert {a.rule for a in found} == {"non_finite"}


def test_it_does_not_matter_how_the_steps_are_cut():
    losses = falling()
    losses[206] = 9.0
    whole = watch(Watch(), losses)
    state, found = Watch(), []
    for row, loss in enumerate(losses):
        state, more = watch(state, [loss], row)
        found += more
    assert (state, found) == whole
