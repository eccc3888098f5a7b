"""What a rule returns, and the words used to talk about it.

A value and its reason are made in one expression and never part:

    return Decision(value="float16", because=f"{gpu} ({sm}) has fp16 tensor cores")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kavaspec.plain import Plain, freeze, toml

AUTO = "auto"
"""The word in kava.toml that says: decide this for me."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A value the rule considered and turned down."""

    value: Plain
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One line of a decision's arithmetic: `name = formula = value`.

    `formula` holds only numbers, `+ - * / // ( )`, `min` and `max`, so that a test can evaluate
    what is printed and compare it with `value`.
    """

    name: str
    formula: str
    value: int | float


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """A condition on one fact under which the decided value stays valid: `fact op literal`."""

    fact: str
    op: str
    """One of `>=`, `<=`, `==`, `in`, `not in`."""
    value: Plain

    def __str__(self) -> str:
        return f"{self.fact} {self.op} {toml(self.value)}"

    def holds(self, observed: Plain) -> bool:
        """Whether the guard is true of an observed value. Unknown (None) satisfies only `not in`."""
        if self.op == "==":
            return observed == self.value
        if self.op == "not in":
            return observed not in self.value  # type: ignore[operator]  # the parser made it a list
        if observed is None:
            return False
        if self.op == "in":
            return observed in self.value  # type: ignore[operator]  # the parser made it a list
        # comparable by construction: guards are written by rules about facts of one type
        return observed >= self.value if self.op == ">=" else observed <= self.value  # type: ignore[operator]

    @classmethod
    def parse(cls, text: str) -> Guard:
        """Read `str(guard)` back.

        Raises:
            ValueError: if the text is not `fact op literal`.
        """
        import tomli

        match = re.fullmatch(r"(fact\.[A-Za-z0-9_.]+) (>=|<=|==|in|not in) (.+)", text)
        if match is None:
            raise ValueError(f"{text!r} is not a guard: expected `fact.name >= value`")
        fact, op, literal = match.groups()
        value = None if literal == "None" else tomli.loads(f"v = {literal}")["v"]
        return cls(fact=fact, op=op, value=freeze(value))


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A value and the reason for it. Rules fill the first five fields, `resolve` the others."""

    value: Plain
    because: str
    """One clause that completes "VALUE, because ..."; names the deciding number."""
    rejected: tuple[Rejected, ...] = ()
    terms: tuple[Term, ...] = ()
    guard: tuple[Guard, ...] = ()
    by: str = ""
    """Who decided: `spec`, `set`, `target`, `preset safe@1`, `default@1`, or a rule: `precision@1`."""
    inputs: Mapping[str, Plain] = field(default_factory=dict)
    """Everything the rule was told, by name of key or fact."""
    provisional: str | None = None
    """Why the value rests on something that nobody measured, or None when all of it is known."""


class Undecidable(Exception):
    """A rule cannot decide. Caught by `resolve`, which adds key, position and exit code.

    `hint` says what would make it decidable. `missing` is true when a fact is unknown, rather
    than the constraints being impossible. `possible`, best first, are the values that the limits of
    the spec turned down, and `why` says what makes only these possible; both stay empty where it is
    not the limits that are in the way.
    """

    def __init__(
        self,
        because: str,
        *,
        hint: str | None = None,
        missing: bool = False,
        possible: Sequence[Plain] = (),
        why: str = "",
    ) -> None:
        super().__init__(because)
        self.because, self.hint, self.missing = because, hint, missing
        self.possible, self.why = tuple(possible), why


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """What a constrained auto permits: `{ auto = true, max = 8, one_of = [4, 8] }`."""

    min: int | float | None = None
    max: int | float | None = None
    multiple_of: int | None = None
    one_of: tuple[Plain, ...] | None = None

    def refuses(self, value: Plain) -> str | None:
        """Why `value` is not allowed, or None when it is."""
        if self.one_of is not None and value not in self.one_of:
            return f"the spec allows only {toml(self.one_of)}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.min is not None and value < self.min:
                return f"the spec asks for at least {self.min}"
            if self.max is not None and value > self.max:
                return f"the spec allows at most {self.max}"
            if self.multiple_of is not None and value % self.multiple_of:
                return f"the spec asks for a multiple of {self.multiple_of}"
        return None

    def plain(self) -> dict[str, Plain]:
        """The constraint as it is recorded in a decision's inputs."""
        pairs = {name: getattr(self, name) for name in ("min", "max", "multiple_of", "one_of")}
        return {name: value for name, value in pairs.items() if value is not None}

    @classmethod
    def of(cls, table: Mapping[str, Plain]) -> Allowed:
        """The inverse of `plain`."""
        one_of = table.get("one_of")
        rest = {name: value for name, value in table.items() if name != "one_of"}
        return cls(one_of=tuple(one_of) if one_of is not None else None, **rest)  # type: ignore[arg-type]


ANYTHING = Allowed()
"""Plain `"auto"`: every value the type permits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Decides one key from named inputs. Pure: same inputs, same decision."""

    key: str
    inputs: Mapping[str, str]
    """Parameter name of `decide` -> key of the spec or of a fact. The parameter `allowed` is not
    listed: a rule that names it receives the spec's constraint on the key."""
    decide: Callable[..., Decision]
    version: int = 1

    @property
    def name(self) -> str:
        return f"{self.decide.__name__}@{self.version}"
