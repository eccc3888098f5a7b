import pytest

from kavaspec.checks.answers_can_be_judged import (
    answers_are_marked,
    answers_fit,
    answers_fit_student,
    enough_to_judge,
)

LENGTHS = {"prompt_min": 20, "prompt_max": 180, "p50": 110, "p90": 190, "p99": 260, "max": 300}


def told(problem):
    return problem.key, problem.severity, problem.message, problem.hint


# ---- enough_to_judge


@pytest.mark.parametrize("eval_rows", [0, 128, 1319], ids=["another-check", "exactly", "easily"])
def test_enough_held_out_rows_pass(eval_rows):
    assert enough_to_judge("test", 128, 64, eval_rows) is None


def test_fewer_held_out_rows_than_asked_for_are_told():
    assert told(enough_to_judge("test[:100]", 128, 64, 100)) == (
        "eval.rows",
        "warning",
        (
            'eval.rows is 128, but data.eval_split = "test[:100]" has 100 rows: all of them are '
            "judged, and no more"
        ),
        "eval.rows = 100",
    )


def test_fewer_questions_than_asked_for_are_told_with_their_key():
    assert told(enough_to_judge("test", 10, 64, 20)) == (
        "eval.exact_match_rows",
        "warning",
        (
            'eval.exact_match_rows is 64, but data.eval_split = "test" has 20 rows: all of them are '
            "judged, and no more"
        ),
        "eval.exact_match_rows = 20",
    )


def test_both_are_told_at_once():
    problem = enough_to_judge("test", 128, 64, 20)
    assert problem.message.startswith("eval.rows is 128 and eval.exact_match_rows is 64, but ")
    assert problem.hint == "eval.rows = 20 and eval.exact_match_rows = 20"


# ---- answers_are_marked


@pytest.mark.parametrize(
    ("questions", "marked"),
    [
        (64, {"marked": 1319, "in_a_row": 1319}),
        (64, {"marked": 1000, "in_a_row": 64}),
        (0, {"marked": 0, "in_a_row": 0}),
        (64, {}),
    ],
    ids=["all", "those-that-are-judged", "none-is-judged", "nothing-known"],
)
def test_answers_that_can_be_judged_pass(questions, marked):
    assert answers_are_marked(questions, "####", 1319, marked) is None


def test_more_questions_than_rows_are_all_rows():
    assert answers_are_marked(64, "####", 20, {"marked": 20, "in_a_row": 20}) is None


def test_answers_of_which_none_is_marked_are_refused():
    problem = answers_are_marked(64, "Answer:", 1319, {"marked": 0, "in_a_row": 0})
    assert told(problem) == (
        "eval.answer_after",
        "error",
        (
            "none of the 1319 held-out completions holds 'Answer:', so no answer can be judged and "
            "exact match could only be 0"
        ),
        "eval.answer_after = the text before the final answer, or eval.exact_match_rows = 0",
    )
    assert problem.exit == 7


def test_one_unmarked_answer_among_those_that_are_judged_is_refused_with_its_row():
    assert told(answers_are_marked(64, "####", 1319, {"marked": 1318, "in_a_row": 63})) == (
        "eval.answer_after",
        "error",
        (
            "row 63 of the held-out rows (counted from 0) has no '####' in its completion, so its "
            "answer cannot be judged; 1318 of 1319 rows have it"
        ),
        "eval.exact_match_rows = 63, or eval.answer_after = a text that stands in every completion",
    )


# ---- answers_fit


@pytest.mark.parametrize(
    ("questions", "max_new_tokens"), [(64, 300), (0, 1)], ids=["exactly", "none-is-written"]
)
def test_room_for_every_answer_passes(questions, max_new_tokens):
    assert answers_fit(questions, max_new_tokens, 1319, LENGTHS) is None


def test_answers_that_are_cut_are_counted():
    assert told(answers_fit(64, 96, 1319, LENGTHS)) == (
        "eval.max_new_tokens",
        "warning",
        (
            "eval.max_new_tokens is 96, and at least 660 of 1319 held-out completions (50.0 %) are "
            "longer, up to 300 tokens: written as in the data, such an answer is cut before its end, "
            "and counts as wrong"
        ),
        "eval.max_new_tokens = 300",
    )


def test_a_long_prompt_is_no_long_answer():
    assert answers_fit(64, 300, 1319, {**LENGTHS, "prompt_max": 5000}) is None


# ---- answers_fit_student


@pytest.mark.parametrize(
    ("questions", "max_new_tokens", "limit"),
    [(64, 76, 256), (64, 96, 2048), (0, 4096, 256)],
    ids=["exactly", "easily", "none-is-written"],
)
def test_prompt_and_answer_within_the_students_reach_pass(questions, max_new_tokens, limit):
    assert answers_fit_student(questions, max_new_tokens, LENGTHS, limit) is None


def test_the_longest_prompt_may_not_be_asked_so_it_is_a_warning():
    problem = answers_fit_student(64, 77, LENGTHS, 256)
    assert told(problem) == (
        "eval.max_new_tokens",
        "warning",
        (
            "eval.max_new_tokens is 77, and the longest held-out prompt has 180 tokens, but the "
            "student reads at most 256: 76 are left for its answer"
        ),
        "eval.max_new_tokens = 76",
    )
    assert problem.code == "KV0766"


def test_a_prompt_that_fills_the_student_leaves_no_answer():
    problem = answers_fit_student(64, 96, LENGTHS, 128)
    assert problem.message.endswith("reads at most 128: 0 are left for its answer")
    assert problem.hint == "leave the longest rows out, or choose a student that reads more"


def test_where_even_the_shortest_does_not_fit_nothing_can_be_judged():
    problem = answers_fit_student(64, 237, LENGTHS, 256)
    assert told(problem) == (
        "eval.max_new_tokens",
        "error",
        (
            "eval.max_new_tokens is 237, and the shortest held-out prompt has 20 tokens, but the "
            "student reads at most 256: 236 are left for its answer"
        ),
        "eval.max_new_tokens = 76",
    )
    assert (problem.exit, answers_fit_student(64, 236, LENGTHS, 256).severity) == (7, "warning")


@pytest.mark.parametrize(
    ("limit", "hint"),
    [(100, "eval.max_new_tokens = 80 is enough for some"), (16, "eval.exact_match_rows = 0")],
)
def test_the_way_out_is_one_that_there_is(limit, hint):
    assert answers_fit_student(64, 237, LENGTHS, limit).hint == hint
