"""Fact files: what is written is read back, mistakes are named with their line, nothing private stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kavaspec.errors import Exit, KavaError
from kavaspec.facts import file
from kavaspec.facts.file import (
    facts_text,
    private_words,
    read_facts,
    redact,
    size_bytes,
    stated_facts,
    write_facts,
)
from kavaspec.facts.model import Fact
from kavaspec.facts.names import FACTS
from kavaspec.facts.probes import PROBES
from tests.effort import effort

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "facts").glob("*.yaml"))
GPU = Fact(value=85899345920, how="measured", probe="nvidia@1", evidence="81920 MiB total (NVML)")


def fact(value, **rest):
    return Fact(value=value, how="measured", probe="test@1", **rest)


def test_a_fact_file_looks_like_this():
    facts = {"fact.os.name": fact("linux"), "fact.gpu.memory_bytes": GPU}
    assert (
        facts_text(facts, note="Seen on a node.", private={})
        == """\
facts_version: 1
note: Seen on a node.

facts:

  fact.gpu.memory_bytes:
    value: 85899345920
    how: measured
    probe: nvidia@1
    evidence: 81920 MiB total (NVML)

  fact.os.name:
    value: linux
    how: measured
    probe: test@1
"""
    )


EVERY_KIND = {
    "fact.python.version": fact("3.10"),
    "fact.torch.version": fact("2.13.0"),
    "fact.cpu.features": fact(("avx2", "no")),
    "fact.gpu.capability": fact((8, 0)),
    "fact.gpu.mig": fact(False),
    "fact.gpu.name": fact(None, evidence="no card"),
    "fact.torch.arch_list": fact(()),
    "fact.disk.free_gib": fact({".": 3, "$SCRATCH": 0}),
    "fact.memory.batch_table": fact(((8, 2), (0, 1))),
    "fact.env.SCRATCH": fact("set", evidence="a: b # c\nd"),
    "fact.student.kv_layout": fact("24x2x64", of={"model.student.layers": (0, 2), "a": None}),
    "fact.data.token_lengths": fact({"p50": 1, "p90": 2, "p99": 3, "max": 4}),
    "fact.scheduler.partition": fact("12:30:45"),
    "fact.gpu.driver": fact("0o17"),
}


def test_every_kind_of_value_comes_back_as_it_was(tmp_path):
    path = tmp_path / "facts" / "node.yaml"
    write_facts(path, EVERY_KIND, note="")
    assert read_facts(path) == EVERY_KIND


def test_other_yaml_libraries_read_the_same_values(tmp_path):
    yaml = pytest.importorskip("yaml")
    from kavaspec.plain import thaw

    text = facts_text(EVERY_KIND, note="", private={})
    read = yaml.safe_load(text)["facts"]
    assert {name: block["value"] for name, block in read.items()} == {
        name: thaw(each.value) for name, each in EVERY_KIND.items()
    }


def test_writing_what_was_read_changes_no_byte(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    write_facts(first, EVERY_KIND, note="n")
    write_facts(second, read_facts(first), note="n")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("80GiB", 80 * 2**30),
        ("80 GiB", 80 * 2**30),
        ("8188MiB", 8188 * 2**20),
        ("1.5TiB", 1536 * 2**30),
        ("512B", 512),
        ("80GB", None),
        ("80", None),
        ("-1GiB", None),
    ],
)
def test_sizes_may_be_written_with_a_unit(text, size):
    assert size_bytes(text) == size


def test_what_nobody_states_is_assumed(tmp_path):
    write_facts(tmp_path / "a.yaml", {"fact.os.name": fact("linux")}, note="")
    table = read_facts(tmp_path / "a.yaml")["fact.memory.batch_table"]
    assert (table.how, table.probe) == ("assumed", "original_table@1")
    assert table.value == ((40_000_000_000, 8), (24_000_000_000, 4), (8_000_000_000, 2), (0, 1))


def problems(tmp_path, text):
    path = tmp_path / "a100.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KavaError) as caught:
        read_facts(path)
    assert {problem.exit for problem in caught.value.problems} == {Exit.USAGE}
    assert {problem.where.path for problem in caught.value.problems} == {str(path)}
    return [
        (problem.where.line, problem.where.column, problem.message, problem.hint)
        for problem in caught.value.problems
    ]


TOP = "facts_version: 1\nfacts:\n"
MISTAKES = {
    "unknown-fact": (
        "  fact.gpu.memory_byte: {value: 1, how: declared, probe: x@1}\n",
        (3, 3, "fact.gpu.memory_byte is not a fact", "did you mean fact.gpu.memory_bytes?"),
    ),
    "nothing-like-it": (
        "  weather: {value: 1, how: declared, probe: x@1}\n",
        (3, 3, "weather is not a fact", "`kavaspec facts` lists every fact"),
    ),
    "not-a-size": (
        "  fact.gpu.memory_bytes: {value: 80 gigs, how: declared, probe: x@1}\n",
        (3, 27, ("fact.gpu.memory_bytes: expected a whole number (bytes), for example 80GiB, "
                "got 80 gigs"), "write null where there is none"),
    ),
    "yes-is-text": (
        "  fact.gpu.mig: {value: yes, how: declared, probe: x@1}\n",
        (3, 18, "fact.gpu.mig: expected true or false, got yes", "write null where there is none"),
    ),
    "one-of": (
        "  fact.os.name: {value: Linux, how: declared, probe: x@1}\n",
        (3, 18, "fact.os.name: expected one of linux, darwin, windows, got Linux", "write null where there is none"),
    ),
    "a-date": (
        "  fact.gpu.name: {value: 2026-01-02, how: declared, probe: x@1}\n",
        (3, 19, "fact.gpu.name: date is not a plain value", None),
    ),
    "a-version-that-is-a-number": (
        "  fact.python.version: {value: 3.11, how: declared, probe: x@1}\n",
        (3, 25, "fact.python.version: expected text, got 3.11", "put it in quotes"),
    ),
    "unknown-how": (
        "  fact.gpu.count: {value: 1, how: guessed, probe: x@1}\n",
        (3, 30, ("fact.gpu.count: how is guessed, expected one of measured, scheduler, derived, "
                "estimated, declared, override, assumed"), None),
    ),
    "no-how": (
        "  fact.gpu.count: {value: 1}\n",
        (3, 19, ("fact.gpu.count: how is None, expected one of measured, scheduler, derived, "
                "estimated, declared, override, assumed"), None),
    ),
    "unknown-field": (
        "  fact.gpu.count: {value: 1, how: declared, evidnce: x}\n",
        (3, 45, "fact.gpu.count: evidnce means nothing here", "did you mean evidence?"),
    ),
    "a-bare-value": (
        "  fact.gpu.count: 1\n",
        (3, 3, "fact.gpu.count: expected value, how and probe", None),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line(tmp_path, body, problem):
    assert problems(tmp_path, TOP + body) == [problem]


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path):
    body = "".join(text for text, _ in MISTAKES.values() if "fact.gpu.count" not in text)
    found = problems(tmp_path, "fact_version: 1\n" + TOP + body)
    assert [message for *_, message, _ in found] == [
        "fact_version means nothing here",
        *(problem[2] for text, problem in MISTAKES.values() if "fact.gpu.count" not in text),
    ]


TREES = {
    "not-yaml": ("facts: [1\n", (2, 1, "this is not YAML: expected ',' or ']', but got '<stream end>'")),
    "twice": (
        TOP + "  fact.gpu.count: {value: 1, how: declared}\n" * 2,
        (4, 3, "fact.gpu.count is given twice"),
    ),
    "a-list": ("- 1\n", (1, 1, "expected a table with facts_version and facts")),
    "empty": ("", (1, 1, "expected a table with facts_version and facts")),
    "another-version": ("facts_version: 2\nfacts: {}\n",
                        (1, 1, "facts_version: 2, this kavaspec reads 1")),
    "no-facts": ("facts_version: 1\n", (1, 1, "facts: expected a table of facts")),
    "a-long-number": ("facts_version: " + "9" * 5000 + "\n", (1, 1,
                      "this is not YAML: Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), TREES.values(), ids=TREES)
def test_a_file_that_is_no_fact_file_says_so(tmp_path, text, problem):
    found = problems(tmp_path, text)
    assert found[0][:3] == problem


def test_a_file_that_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(KavaError) as caught:
        read_facts(tmp_path / "a100.yaml")
    problem = caught.value.problems[0]
    assert problem.message == f"{tmp_path / 'a100.yaml'} does not exist"
    assert problem.hint == "make it on that machine: kavaspec facts --save a100"
    assert problem.exit == Exit.ENVIRONMENT


def test_a_folder_and_bytes_that_are_no_text_are_called_by_name(tmp_path):
    (tmp_path / "facts").mkdir()
    (tmp_path / "a100.yaml").write_bytes(b"note: \xff")
    told = {}
    for name in ("facts", "a100.yaml"):
        with pytest.raises(KavaError) as caught:
            read_facts(tmp_path / name)
        [problem] = caught.value.problems
        told[name] = (problem.message, problem.hint, problem.exit)
    assert told == {
        "facts": (
            f"{tmp_path / 'facts'} is a folder, not a fact file",
            "name the file, such as facts/cluster.yaml",
            Exit.ENVIRONMENT,
        ),
        "a100.yaml": (
            f"{tmp_path / 'a100.yaml'} is not UTF-8 text: invalid start byte at byte 6",
            "save it as UTF-8",
            Exit.ENVIRONMENT,
        ),
    }


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "facts").write_text("a file, not a folder")
    with pytest.raises(KavaError, match="cannot be written") as caught:
        write_facts(tmp_path / "facts" / "a.yaml", {}, note="")
    assert caught.value.exit_code == Exit.ENVIRONMENT


PRIVATE = {"/home/ada": "~", "node17.cluster.org": "<host>", "node17": "<host>", "ada": "<user>"}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("seen by ada on node17", "seen by <user> on <host>"),
        ("node17.cluster.org:/home/ada/x", "<host>:~/x"),
        ("NVIDIA Ada tensor cores", "NVIDIA Ada tensor cores"),
        ("adaptive, canada, node170", "adaptive, canada, node170"),
    ],
)
def test_private_words_are_taken_out_whole(text, redacted):
    assert redact(text, PRIVATE) == redacted


def test_host_and_user_of_this_machine_are_private(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "node17.cluster.org")
    monkeypatch.setattr("getpass.getuser", lambda: "lovelace")
    monkeypatch.setenv("HOME", "/home/lovelace")
    words = private_words()
    assert words["node17"] == words["node17.cluster.org"] == "<host>"
    assert words["lovelace"] == "<user>"
    assert words["/home/lovelace"] == "~"


def test_a_saved_file_names_neither_host_nor_user(tmp_path, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "node17")
    monkeypatch.setattr("getpass.getuser", lambda: "lovelace")
    seen = {"fact.gpu.name": fact("A100", evidence="node17: /home/lovelace/driver")}
    write_facts(tmp_path / "a.yaml", seen, note="by lovelace")
    text = (tmp_path / "a.yaml").read_text()
    assert "node17" not in text
    assert "lovelace" not in text


def test_there_are_ten_examples():
    assert [path.stem for path in EXAMPLES] == [
        "a100-slurm",
        "cpu-avx2-lsf",
        "cpu-avx512bf16",
        "h100-pbs",
        "h200-kubernetes",
        "m2max-mps",
        "mi250x-slurm",
        "rtx4070-windows",
        "rtx4090-linux",
        "v100-sge",
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_states_every_fact_of_a_machine_and_says_that_nobody_measured_it(path):
    facts = read_facts(path)
    assert set(facts) == {name for probe in PROBES for name in probe.facts}
    stated = {name: each for name, each in facts.items() if name != "fact.memory.batch_table"}
    assert {(each.how, each.probe) for each in stated.values()} == {("declared", "datasheet@1")}
    assert all(each.evidence for each in stated.values())
    note = path.read_text(encoding="utf-8").partition("\nfacts:")[0]
    assert "Nobody measured them" in " ".join(note.split())


def test_every_fact_has_a_meaning_of_one_line():
    for name, kind in FACTS.items():
        assert kind.meaning, name
        assert "\n" not in kind.meaning, name
        assert not kind.meaning.endswith("."), name
        assert "{" not in kind.meaning, name


def test_a_count_that_cannot_be_is_refused_where_it_stands(tmp_path):
    path = tmp_path / "node.yaml"
    text = "facts_version: 1\n\nfacts:\n\n  fact.cpu.cores:\n    value: -4\n    how: declared\n    probe: datasheet@1\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KavaError) as caught:
        read_facts(path)
    [problem] = caught.value.problems
    assert (problem.exit, problem.where.line) == (2, 6)
    assert problem.message == "fact.cpu.cores: expected 1 or more cores, got -4"


@pytest.mark.parametrize(
    "value", ["!!int", "!!bool x", "!!timestamp x", "!!float {a: 1}", "!!set 1"]
)
def test_a_value_with_a_tag_that_does_not_fit(tmp_path, value):
    text = f"facts_version: 1\nfacts:\n  fact.cpu.cores:\n    value: {value}\n    how: declared\n"
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(KavaError) as caught:
        read_facts(tmp_path / "a.yaml")
    assert {problem.exit for problem in caught.value.problems} == {Exit.USAGE}


# ---- two readers, one meaning


def outcome(path: Path) -> object:
    try:
        return stated_facts(path)
    except KavaError as error:
        return error.problems


WORDS = """yes No 0o17 017 1_000 1e3 1:30 .5 ~ '80GiB' 80GiB = 2026-01-01 0x1F [1,2] {a:1} *a &a -.inf é
null !!int !!float !!bool !!null !!timestamp !!binary !!set <<"""
SCALARS = st.sampled_from([*WORDS.split(), "", "\t1", "|\n      x", "!!x 1", "&a 1", "!!bool x"])


@settings(max_examples=effort(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    base=st.sampled_from(EXAMPLES),
    line=st.integers(0, 260),
    change=st.one_of(
        st.tuples(st.just("value"), SCALARS),
        st.tuples(st.just("cut"), st.just("")),
        st.tuples(st.just("twice"), st.just("")),
        st.tuples(st.just("insert"), st.characters(codec="utf-8")),
    ),
)
def test_what_is_read_fast_is_what_is_read_with_places(tmp_path_factory, base, line, change):
    """A text is first read without places; both readers have to mean the same by it.

    The fast one may read a little more (a tab after a colon is YAML), never something else.
    """
    lines = base.read_text(encoding="utf-8").splitlines(keepends=True)
    at = line % len(lines)
    kind, said = change
    if kind == "value" and ":" in lines[at]:
        lines[at] = f"{lines[at].partition(':')[0]}: {said}\n"
    elif kind == "cut":
        del lines[at]
    elif kind == "twice":
        lines.insert(at, lines[at])
    else:
        lines[at] = lines[at][: line % 7] + said + lines[at][line % 7 :]
    path = tmp_path_factory.mktemp("facts") / "a.yaml"
    path.write_bytes("".join(lines).encode("utf-8"))
    fast = outcome(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "_quick_tree", lambda text: ())
        slow = outcome(path)
    more = isinstance(fast, dict) and isinstance(slow, tuple)
    if more:
        assert all(problem.message.startswith("this is not YAML: ") for problem in slow)
    else:
        assert slow == fast
