"""What is said about graphics cards, whoever makes them: the facts that nvidia, amd and apple share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Missing, Seen, all_missing, sign

NAMES = (
    "fact.gpu.vendor",
    "fact.gpu.name",
    "fact.gpu.count",
    "fact.gpu.memory_bytes",
    "fact.gpu.capability",
    "fact.gpu.arch",
    "fact.gpu.driver",
    "fact.gpu.mig",
    "fact.gpu.unified",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One graphics card that this process may use."""

    name: str
    memory_bytes: int | None
    """None where the driver does not tell."""
    capability: tuple[int, int] | None = None
    arch: str | None = None
    mig: bool = False
    unified: bool = False
    ids: tuple[str, ...] = ()
    """Names by which a `..._VISIBLE_DEVICES` variable may select it."""


def none_here(probe: str, where: str) -> Observation:
    """The probe looked, and there is no card of its kind: every fact is none."""
    seen: dict[str, Seen | Missing] = dict.fromkeys(NAMES, Seen(value=None, evidence=where))
    return sign(probe, {**seen, "fact.gpu.count": Seen(value=0, evidence=where)})


def unknown(probe: str, because: str, *, hint: str | None = None) -> Observation:
    """There may be a card, but nothing could be learned about it."""
    return all_missing(probe, NAMES, because, hint=hint)


def cards_here(
    probe: str,
    vendor: str,
    cards: Sequence[Card],
    *,
    driver: str | None,
    source: str,
) -> Observation:
    """The facts about one or more cards of one maker."""
    first = cards[0]
    names = sorted({card.name for card in cards})
    several = f"; cards: {', '.join(names)}" if len(names) > 1 else ""
    seen: dict[str, Seen | Missing] = {
        "fact.gpu.vendor": Seen(value=vendor, evidence=source),
        "fact.gpu.name": Seen(value=first.name, evidence=source + several),
        "fact.gpu.count": Seen(value=len(cards), evidence=f"{source}{several}"),
        "fact.gpu.memory_bytes": _memory(cards, source),
        "fact.gpu.capability": Seen(value=first.capability, evidence=source),
        "fact.gpu.arch": Seen(value=first.arch, evidence=source),
        "fact.gpu.driver": Seen(value=driver, evidence=source),
        "fact.gpu.mig": Seen(value=first.mig, evidence=source),
        "fact.gpu.unified": Seen(value=first.unified, evidence=source),
    }
    return sign(probe, seen)


def visible(cards: Sequence[Card], variables: Sequence[str], env: Mapping[str, str]) -> list[Card]:
    """The cards that the first set variable leaves visible, in its order.

    As the drivers do it: an entry that is no card ends the list, so `-1` and an empty text hide all.
    """
    chosen = next((env[name] for name in variables if name in env), None)
    if chosen is None:
        return list(cards)
    left: list[Card] = []
    for entry in chosen.split(","):
        card = _pick(cards, entry.strip())
        if card is None:
            break
        left.append(card)
    return left


def hidden_by(variables: Sequence[str], env: Mapping[str, str]) -> str:
    """Which variable `visible` obeyed."""
    return next((name for name in variables if name in env), "")


def _pick(cards: Sequence[Card], entry: str) -> Card | None:
    if entry.isdigit():
        return cards[int(entry)] if int(entry) < len(cards) else None
    if not entry:
        return None
    return next((card for card in cards if any(i.startswith(entry) for i in card.ids)), None)


def _memory(cards: Sequence[Card], source: str) -> Seen | Missing:
    sizes = [card.memory_bytes for card in cards if card.memory_bytes is not None]
    if len(sizes) < len(cards):
        return Missing(because=f"{source} does not tell the memory of {cards[0].name}")
    each = ", ".join(f"{size // 2**20} MiB" for size in sizes)
    return Seen(value=min(sizes), evidence=f"{each} total ({source})")
