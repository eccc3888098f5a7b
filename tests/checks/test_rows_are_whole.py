import pytest

from kavaspec.checks.rows_are_whole import completions_are_kept, rows_are_whole

PROMPTS = {"p50": 80, "p90": 120, "p99": 170, "max": 200}
LENGTHS = {"p50": 180, "p90": 290, "p99": 400, "max": 460}


def kept(max_length, loss_on="completion", rows=1000, prompts=PROMPTS, limit=2048):
    return completions_are_kept(max_length, loss_on, rows, prompts, limit)


@pytest.mark.parametrize("max_length", [81, 460, 2048], ids=["just", "whole", "easily"])
def test_most_rows_that_keep_a_token_pass(max_length):
    assert kept(max_length) is None


@pytest.mark.parametrize("max_length", [8, 80], ids=["far", "by-one"])
def test_most_rows_without_a_token_of_their_completion_are_refused(max_length):
    problem = kept(max_length)
    assert problem.message == (
        f"data.max_length is {max_length} tokens, and in at least 501 of 1000 rows (50.1 %) the "
        "prompt alone fills that: no token of their completion is left, so they teach nothing; "
        "from 81 tokens on most rows keep some"
    )
    assert problem.hint == 'data.max_length = 81 or more; data.max_length = "auto" cuts no row'
    assert (problem.key, problem.exit, problem.severity) == ("data.max_length", 7, "error")


def test_what_is_named_as_the_least_passes():
    assert kept(81) is None
    assert kept(80) is not None


def test_a_student_that_cannot_read_so_much_is_another_students_place():
    assert kept(64, limit=80).hint == "choose a student that reads longer rows"
    assert kept(64, limit=81).hint.startswith("data.max_length = 81 or more")
    assert kept(64, limit=None).hint.startswith("data.max_length = 81 or more")


def test_where_the_prompt_is_learned_too_there_is_always_something_to_predict():
    assert kept(8, loss_on="all") is None


@pytest.mark.parametrize("prompts", [{}, {"max": 7}], ids=["nothing-known", "one-number"])
def test_little_is_known_of_the_prompts(prompts):
    assert kept(8, prompts=prompts) is None


def test_one_row_is_most_rows():
    assert kept(8, rows=1, prompts=dict.fromkeys(PROMPTS, 9)).message.startswith(
        "data.max_length is 8 tokens, and in at least 1 of 1 rows (100.0 %) the prompt alone"
    )


def test_whole_rows_pass():
    assert rows_are_whole(460, 1000, LENGTHS, PROMPTS, 2048) is None


def test_cut_rows_are_counted():
    problem = rows_are_whole(256, 1000, LENGTHS, PROMPTS, 2048)
    assert problem.message == (
        "data.max_length is 256 tokens: at least 101 of 1000 rows (10.1 %) are longer and lose "
        "their end, the longest has 460"
    )
    assert problem.hint == 'data.max_length = 460 (or "auto") cuts none'
    assert (problem.key, problem.severity) == ("data.max_length", "warning")


def test_one_cut_row_is_told_too():
    assert rows_are_whole(459, 1000, LENGTHS, PROMPTS, 2048).message == (
        "data.max_length is 459 tokens: at least 1 of 1000 rows (0.1 %) are longer and lose their "
        "end, the longest has 460"
    )


def test_rows_that_lose_all_of_their_completion_are_counted_apart():
    assert rows_are_whole(170, 1000, LENGTHS, PROMPTS, 2048).message == (
        "data.max_length is 170 tokens: at least 501 of 1000 rows (50.1 %) are longer and lose "
        "their end, the longest has 460; at least 11 of 1000 rows (1.1 %) lose their whole completion"
    )


def test_where_the_student_reads_no_more_the_rows_have_to_go():
    assert rows_are_whole(256, 1000, LENGTHS, PROMPTS, 256).hint == (
        "leave out the rows of more than 256 tokens, or choose a student that reads more"
    )
