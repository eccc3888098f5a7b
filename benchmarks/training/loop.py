"""A bare loop tuned by hand: teacher without its head, logits only where there are labels, length buckets."""

import torch
from pair import (
    GLOBAL_BATCH,
    LEARNING_RATE,
    PROJECTOR_LEARNING_RATE,
    Clock,
    arguments,
    kv_loss,
    models,
    padded,
    projector_for,
    rows_of,
)
from torch.nn import functional

folder, steps = arguments()
device = "cuda" if torch.cuda.is_available() else "cpu"
teacher, student = models(folder, torch.bfloat16, torch.float32)
projector = projector_for(student, teacher).to(device)
teacher.to(device), student.to(device)
optimizer = torch.optim.AdamW(
    [
        {"params": student.parameters(), "lr": LEARNING_RATE},
        {"params": projector.parameters(), "lr": PROJECTOR_LEARNING_RATE},
    ],
    fused=True,
)
rows = sorted(rows_of(folder, steps * GLOBAL_BATCH), key=lambda row: len(row.ids))
order = torch.randperm(steps, generator=torch.Generator().manual_seed(0)).tolist()
clock = Clock()
for step in order:
    batch = rows[step * GLOBAL_BATCH : (step + 1) * GLOBAL_BATCH]
    ids, mask, labels = (it.to(device) for it in padded(batch, None))
    with torch.autocast(device, dtype=torch.bfloat16):
        with torch.no_grad():
            taught = teacher.model(input_ids=ids, attention_mask=mask, use_cache=True)
        seen = student.model(input_ids=ids, attention_mask=mask, use_cache=True)
        wanted = labels[:, 1:] != -100
        logits = student.lm_head(seen.last_hidden_state[:, :-1][wanted])
        loss = functional.cross_entropy(logits.float(), labels[:, 1:][wanted])
        loss = loss + kv_loss(projector, seen.past_key_values, taught.past_key_values, mask)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([*student.parameters(), *projector.parameters()], 1.0)
    optimizer.step()
    clock.step(len(batch), int(mask.sum()), loss.item())
