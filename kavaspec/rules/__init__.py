"""Every rule, in one list. A new auto key is one new file here and one line in each list below."""

from __future__ import annotations

from kavaspec.decision import Rule
from kavaspec.rules import (
    accumulation,
    attention,
    checkpoint_every,
    cpus,
    data_digest,
    data_revision,
    device,
    gpus_per_node,
    gradient_checkpointing,
    kv_layers,
    kv_width,
    layer_map,
    max_length,
    memory_bytes,
    micro_batch,
    model_digest,
    model_revision,
    nodes,
    optimizer_state_dtype,
    parallel,
    param_dtype,
    paths,
    precision,
    projector_hidden_dim,
    projector_in_dim,
    projector_out_dim,
    python_version,
    reproducibility,
    scheduler_kind,
    steps,
    teacher_placement,
    threads,
    torch_compile,
    torch_version,
    transformers_version,
    walltime,
    workers,
    world,
)
from kavaspec.rules.old import (
    gradient_checkpointing_1,
    micro_batch_1,
    optimizer_state_dtype_1,
    param_dtype_1,
    teacher_placement_1,
)

RULES: tuple[Rule, ...] = (
    accumulation.RULE,
    attention.RULE,
    checkpoint_every.RULE,
    cpus.RULE,
    data_digest.RULE,
    data_revision.RULE,
    device.RULE,
    gpus_per_node.RULE,
    gradient_checkpointing.RULE,
    kv_layers.RULE,
    *kv_width.RULES,
    layer_map.RULE,
    max_length.RULE,
    memory_bytes.RULE,
    micro_batch.RULE,
    *model_digest.RULES,
    *model_revision.RULES,
    nodes.RULE,
    optimizer_state_dtype.RULE,
    parallel.RULE,
    param_dtype.RULE,
    *paths.RULES,
    precision.RULE,
    projector_hidden_dim.RULE,
    projector_in_dim.RULE,
    projector_out_dim.RULE,
    python_version.RULE,
    reproducibility.RULE,
    scheduler_kind.RULE,
    steps.RULE,
    teacher_placement.RULE,
    threads.RULE,
    torch_compile.RULE,
    torch_version.RULE,
    transformers_version.RULE,
    walltime.RULE,
    workers.RULE,
    world.RULE,
)
"""One rule for each key that may be `"auto"`, in the order of the file names: the newest version."""

OLD_RULES: tuple[Rule, ...] = (
    gradient_checkpointing_1.RULE,
    micro_batch_1.RULE,
    optimizer_state_dtype_1.RULE,
    param_dtype_1.RULE,
    teacher_placement_1.RULE,
)
"""Every older version, from `kavaspec/rules/old/`. They decide what locks made with them record."""


def every_version() -> tuple[Rule, ...]:
    """All rules that there ever were."""
    return (*RULES, *OLD_RULES)
