import pytest

from kavaspec.checks.columns_exist import completion_columns_exist, prompt_columns_exist
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
            None,
        ),
    ],
    ids=["misspelt", "nothing-near"],
)
def test_columns_that_are_not_are_named(template, message, hint):
    problem = prompt_columns_exist(template, COLUMNS)
    assert (problem.message, problem.hint) == (message, hint)
    assert (problem.exit, problem.key) == (Exit.USAGE, "data.prompt")


def test_the_completion_is_named_as_such():
    problem = completion_columns_exist("{anser}", COLUMNS)
    assert problem.key == "data.completion"
    assert problem.message.startswith("data.completion names the column 'anser'")
