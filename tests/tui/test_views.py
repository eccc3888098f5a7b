from dataclasses import replace
from pathlib import Path

import pytest

from kavaspec.explain import explain_all
from kavaspec.explanation import sections
from kavaspec.lock.file import read_lock
from kavaspec.lock.recover import recover_spec
from kavaspec_tui.live import Live
from kavaspec_tui.rows import length, text_of
from kavaspec_tui.screens.run import plan
from kavaspec_tui.state import State, fold
from kavaspec_tui.status import Status, status
from kavaspec_tui.views import decisions, run
from tests.tui import made_up

EXAMPLE = Path(__file__).parents[2] / "examples/qwen2.5/kava.lock"


def state(upto=60.0):
    return fold(State(), made_up.lines(upto=upto))


def header(state, width, later=0.2):
    now = (state.last_t or 0) + later
    return [text_of(row).rstrip() for row in run.run_header(state, status(state, now), now, width)]


def test_the_header_tells_where_a_run_stands():
    assert header(state(), 80) == [
        " ● LIVE kava on here    ━━━━━━━━━━━━━╸─────────────── 46.7 % 280/600  ETA 1m07s",
        " alerts 1 !  loss 1.495  cosine 0.8284  tokens/s 21.56k  memory 1.7 GiB",
    ]


@pytest.mark.parametrize("width", range(1, 220, 13))
@pytest.mark.parametrize("upto", [-1, 0, 60, 9999])
def test_the_header_fits_any_width(width, upto):
    now = made_up.T0 + upto
    rows = run.run_header(state(upto), Status.LIVE, now, width)
    assert [length(row) for row in rows] == [width, width]


@pytest.mark.parametrize(
    ("later", "words"),
    [(20, "last step 20s ago"), (90, "last event 1m30s ago"), (7200, "last event 2h00m ago")],
)
def test_what_is_not_live_says_since_when(later, words):
    assert header(state(), 110, later)[0].endswith(words)


def test_a_finished_run_says_how_long_it_took():
    assert header(state(9999), 110)[0].startswith(" ✓ DONE kava on here · attempt 2 ")
    assert header(state(9999), 110)[0].endswith("100.0 % 600/600  took 2m17s")


def test_a_line_for_a_job_log():
    one = state()
    now = one.last_t + 0.2
    assert run.plain_line(one, status(one, now), now) == (
        "step 280/600 (46.7 %) | loss 1.495 | cosine 0.8284 | 21.56k tokens/s | memory 1.7 GiB | ETA 1m07s"
    )
    assert run.plain_line(one, Status.SILENT, now + 80).startswith("SILENT | step 280/600")


def test_the_result_and_before_it_the_newest_held_out_numbers():
    assert [text_of(row) for row in run.result_rows(state(9999))] == [
        "result",
        "exact match      0.4219",
        "ce               1.208",
        "cosine           0.9017",
        "cosine shuffled  0.3127",
        "cosine centred   0.8421",
    ]
    assert text_of(run.result_rows(state())[0]) == "held out after step 200"
    assert run.result_rows(state(1)) == []


def test_the_metrics_that_people_look_at_come_first():
    names = run.metric_names(state())
    assert names[:3] == ["loss", "cosine", "ce"]
    assert names[-1] == "step_ms"


# --- decisions ---


def listed(search="", **options):
    entries = decisions.decision_entries(made_up.explanations(), 80, search=search, **options)
    return [entry.key for entry in entries if entry.key is not None]


def test_decisions_stand_under_their_tier():
    entries = decisions.decision_entries(made_up.explanations(), 80)
    headings = [text_of(entry.row).strip() for entry in entries if entry.key is None]
    assert headings == [
        "experiment the scientific claim · 63",
        "numerics may change bits, not the claim · 20",
        "placement changes neither · 24",
    ]
    assert sum(entry.key is not None for entry in entries) == len(made_up.explanations())


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("micro", ["train.micro_batch"]),
        ("MICRO batch", ["train.micro_batch"]),
        ("bitwise", ["train.reproducibility"]),
        ("precision@1", ["train.precision"]),
        ("numerics yes-nothing", []),
        ("provisional", ["train.micro_batch"]),
        ("you placement", ["data.source", "model.teacher.source", "name"]),
    ],
)
def test_every_word_must_occur_somewhere(search, found):
    assert listed(search) == found


def test_defaults_can_be_hidden():
    known = made_up.explanations()
    assert {decisions.kind_of(known[key].by) for key in listed(defaults=False)} == {"rule", "you"}


@pytest.mark.parametrize(
    ("by", "kind"),
    [("spec", "you"), ("set", "you"), ("target", "you"), ("default@1", "default"), ("preset safe@1", "default"), ("precision@1", "rule")],
)  # fmt: skip
def test_who_decided(by, kind):
    assert decisions.kind_of(by) == kind


def test_a_row_marks_what_is_provisional_and_what_is_warned_about():
    one = made_up.explanations()["train.micro_batch"]
    widths = decisions.columns([one], 60)
    assert text_of(decisions.decision_row(one, widths)).startswith("~R train.micro_batch 8 ")
    assert text_of(decisions.decision_row(one, widths, warned=True)).startswith(
        "!R train.micro_batch 8 "
    )


def test_a_digest_keeps_both_ends():
    assert decisions.short_value("sha256:" + "a" * 60 + "beef", 20) == "sha256:aaaaaaaa…beef"


@pytest.mark.parametrize("width", [1, 5, 20, 60, 140])
def test_explanations_fit_any_width(width):
    for one in made_up.explanations().values():
        rows = decisions.explanation_rows(one, width, warning="this is unwise")
        assert max(length(row) for row in rows) <= width


def test_the_explanation_of_a_decision(golden):
    one = made_up.explanations()["train.micro_batch"]
    golden(
        "explanation",
        "\n".join(text_of(row).rstrip() for row in decisions.explanation_rows(one, 70)) + "\n",
    )


def test_the_summary_counts_who_decided():
    assert decisions.summary(made_up.explanations()) == (
        "107 decisions: 44 by rule, 8 yours, 55 default, 1 provisional"
    )


@pytest.mark.parametrize(
    ("width", "height", "big", "small", "log"),
    [(20, 5, 0, 0, False), (80, 24, 1, 0, True), (100, 30, 1, 0, True), (80, 50, 2, 0, True), (140, 40, 2, 4, True), (200, 55, 2, 4, True)],
)  # fmt: skip
def test_as_many_charts_as_can_be_read(width, height, big, small, log):
    now = plan(width, height)
    assert (now.big, now.small, now.log_rows > 0) == (big, small, log)


def test_reading_never_writes(tmp_path):
    folder = made_up.run_folder(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    Live(folder).read_all()
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_tipping_points_are_looked_for_only_when_a_decision_is_shown():
    asked = []
    one = replace(
        made_up.explanations()["train.micro_batch"], find_flips=lambda: asked.append(1) or ()
    )
    decisions.decision_entries({one.key: one}, 80)
    assert asked == []
    decisions.explanation_rows(one, 80)
    assert asked == [1]


def test_what_is_not_what_the_rules_give_is_marked_and_said():
    stale = replace(
        made_up.explanations()["train.micro_batch"], stale="micro_batch@1 gives 4, not 8"
    )
    [_, entry] = decisions.decision_entries({stale.key: stale}, 80)
    assert text_of(entry.row).startswith("!R train.micro_batch 8 ")
    rows = [text_of(row) for row in decisions.explanation_rows(stale, 80)]
    assert "stale       micro_batch@1 gives 4, not 8" in rows


@pytest.mark.parametrize("key", ["train.micro_batch", "train.precision", "objective.kv.layer_map"])
def test_screen_and_command_line_say_the_same(key):
    """Of a real lock: every row that `why` prints is on the screen."""
    lock = read_lock(EXAMPLE)
    told = explain_all(recover_spec(lock), lock, kept={})["a100"][key]
    shown = " ".join(" ".join(map(text_of, decisions.explanation_rows(told, 100))).split())
    for section in sections(told):
        if section.name != "tier":
            for text in section.texts:
                assert " ".join(text.split()) in shown
