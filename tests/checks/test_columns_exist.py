import pytest

from kavaspec.checks.columns_exist import (
    completion_columns_exist,
    completion_has_a_column,
    prompt_columns_exist,
    prompt_has_a_column,
)
from kavaspec.errors import Exit

COLUMNS = ("answer", "question")


@pytest.mark.parametrize(
    "template",
    ["{question}\n", "Q: {question} A: {answer}", "no column", "{} {1} { code }", "{question"],
)
def test_columns_that_are_there_pass(template):
    assert prompt_columns_exist(template, COLUMNS) is None
    assert completion_columns_exist(template, COLUMNS) is None


@pytest.mark.parametrize(
    ("template", "message", "hint"),
    [
        (
            "{qestion}\n",
            (
                "data.prompt names the column 'qestion', which the data does not have; "
                "it has answer, question"
            ),
            "write {question}",
        ),
        (
            "{xyz}",
            (
                "data.prompt names the column 'xyz', which the data does not have; "
                "it has answer, question"
            ),
            "write one of these in braces",
        ),
    ],
    ids=["misspelt", "nothing-near"],
)
def test_columns_that_are_not_are_named(template, message, hint):
    problem = prompt_columns_exist(template, COLUMNS)
    assert (problem.message, problem.hint) == (message, hint)
    assert (problem.exit, problem.key) == (Exit.UNSATISFIABLE, "data.prompt")


def test_the_completion_is_named_as_such():
    problem = completion_columns_exist("{anser}", COLUMNS)
    assert problem.key == "data.completion"
    assert problem.message.startswith("data.completion names the column 'anser'")


def test_a_template_without_a_column_is_a_warning():
    problem = prompt_has_a_column("Question:\n", COLUMNS)
    assert (problem.severity, problem.key) == ("warning", "data.prompt")
    assert problem.message == "data.prompt names no column: every row begins with the same text"
    assert problem.hint == "write a column in braces: {answer}, {question}"
    problem = completion_has_a_column("{ answer }", COLUMNS)
    assert problem.message == "data.completion names no column: every row teaches the same text"
    assert prompt_has_a_column("{anything}", COLUMNS) is None
    assert completion_has_a_column("{answer}", COLUMNS) is None
