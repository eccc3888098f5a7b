"""AMD cards, from what the Linux kernel tells about them; rocm-smi gives their names. Needs no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, NoAnswer, Probe
from kavaspec.facts.probes.card import NAMES, Card, cards_here, hidden_by, none_here, visible

VARIABLES = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_NODES = "sys/class/kfd/kfd/topology/nodes"
_ON_CARD = ("1", "2")  # heap types of memory that is the card's own: public, private


def observe(machine: Machine) -> Observation:
    if machine.system != "linux":
        return none_here(
            PROBE.id, f"no AMD card: kavaspec looks for them on Linux, not on {machine.system}"
        )
    cards = _cards(machine)
    if not cards:
        return none_here(PROBE.id, f"no AMD card: /{_NODES} names none")
    left = visible(cards, VARIABLES, machine.env)
    if not left:
        by = hidden_by(VARIABLES, machine.env)
        return none_here(PROBE.id, f"{by} hides the AMD cards ({len(cards)} found)")
    driver = (machine.read("sys/module/amdgpu/version") or "").strip() or None
    return cards_here(PROBE.id, "amd", left, driver=driver, source="the kernel's kfd topology")


def arch(version: int) -> str:
    """`gfx90a` for 90010: major, minor and stepping in decimal digits, the last two in hexadecimal."""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def _cards(machine: Machine) -> list[Card]:
    names = _names(machine)
    folder = machine.root / _NODES
    nodes = sorted(folder.glob("*"), key=lambda path: int(path.name) if path.name.isdigit() else 0)
    tables = [(node.name, _properties(machine, f"{_NODES}/{node.name}")) for node in nodes]
    found = [(node, table) for node, table in tables if table.get("simd_count", 0) > 0]
    return [
        _card(machine, node, table, names.get(index)) for index, (node, table) in enumerate(found)
    ]


def _card(machine: Machine, node: str, table: Mapping[str, int], name: str | None) -> Card:
    gfx = arch(table.get("gfx_target_version", 0))
    return Card(
        name=name or f"AMD {gfx}",
        memory_bytes=_memory(machine, node),
        arch=gfx,
        unified=table.get("cpu_cores_count", 0) > 0,  # the same node has CPU cores: an APU
        ids=(f"GPU-{table['unique_id']:016x}",) if table.get("unique_id") else (),
    )


def _memory(machine: Machine, node: str) -> int | None:
    banks = sorted((machine.root / _NODES / node / "mem_banks").glob("*"))
    tables = [_text_properties(machine, f"{_NODES}/{node}/mem_banks/{bank.name}") for bank in banks]
    own = [int(bank["size_in_bytes"]) for bank in tables if bank.get("heap_type") in _ON_CARD]
    any_kind = [int(bank["size_in_bytes"]) for bank in tables if "size_in_bytes" in bank]
    return sum(own) or sum(any_kind) or None


def _names(machine: Machine) -> dict[int, str]:
    """Names by index; none where rocm-smi is not installed: the kernel knows only the architecture."""
    try:
        told = json.loads(machine.run("rocm-smi", "--showproductname", "--json"))
        return {
            int(re.sub(r"\D", "", card)): str(table.get("Card Series") or table.get("Card series"))
            for card, table in told.items()
            if card.startswith("card") and (table.get("Card Series") or table.get("Card series"))
        }
    except (NoAnswer, ValueError, AttributeError):
        return {}


def _properties(machine: Machine, folder: str) -> dict[str, int]:
    return {
        name: int(value)
        for name, value in _text_properties(machine, folder).items()
        if value.isdigit()
    }


def _text_properties(machine: Machine, folder: str) -> dict[str, str]:
    lines = (machine.read(f"{folder}/properties") or "").splitlines()
    return dict(line.split(None, 1) for line in lines if len(line.split(None, 1)) == 2)


PROBE = Probe(name="amd", version=1, facts=NAMES, observe=observe)
