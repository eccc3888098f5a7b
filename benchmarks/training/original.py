"""The original kind of script: bfloat16 everywhere, every row padded to 512, full logits of both models."""

import torch
from pair import (
    GLOBAL_BATCH,
    LEARNING_RATE,
    MAX_LENGTH,
    PROJECTOR_LEARNING_RATE,
    Clock,
    arguments,
    kv_loss,
    models,
    padded,
    projector_for,
    rows_of,
)

folder, steps = arguments()
teacher, student = models(folder, torch.bfloat16, torch.bfloat16)
projector = projector_for(student, teacher).to(torch.bfloat16)
optimizer = torch.optim.AdamW(
    [
        {"params": student.parameters(), "lr": LEARNING_RATE},
        {"params": projector.parameters(), "lr": PROJECTOR_LEARNING_RATE},
    ]
)
rows = rows_of(folder, steps * GLOBAL_BATCH)
clock = Clock()
for step in range(steps):
    batch = rows[step * GLOBAL_BATCH : (step + 1) * GLOBAL_BATCH]
    ids, mask, labels = padded(batch, MAX_LENGTH)
    with torch.no_grad():
        taught = teacher(input_ids=ids, attention_mask=mask, use_cache=True)
    seen = student(input_ids=ids, attention_mask=mask, labels=labels, use_cache=True)
    loss = seen.loss + kv_loss(projector, seen.past_key_values, taught.past_key_values, mask)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([*student.parameters(), *projector.parameters()], 1.0)
    optimizer.step()
    clock.step(len(batch), int(mask.sum()), loss.item())
