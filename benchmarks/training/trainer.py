"""The transformers Trainer as a good user sets it: grouped by length, bf16, fused AdamW, teacher in bf16."""

import tempfile

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
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments


class Pair(nn.Module):
    """Student and projector as one model, so that Trainer trains both."""

    def __init__(self, student, projector) -> None:
        super().__init__()
        self.student, self.projector, self.config = student, projector, student.config


class Distiller(Trainer):
    """Adds the teacher."""

    teacher = None
    told = 0.0

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        mask = inputs["attention_mask"]
        with torch.no_grad():
            taught = self.teacher(
                input_ids=inputs["input_ids"], attention_mask=mask, use_cache=True
            )
        seen = model.student(**inputs, use_cache=True)
        loss = seen.loss + kv_loss(
            model.projector, seen.past_key_values, taught.past_key_values, mask
        )
        Distiller.told = loss.item()
        Distiller.tokens = int(mask.sum())
        return (loss, seen) if return_outputs else loss


class Say(TrainerCallback):
    """One line for each step."""

    def __init__(self) -> None:
        self.clock = None

    def on_step_begin(self, *_, **__) -> None:
        self.clock = self.clock or Clock()

    def on_step_end(self, *_, **__) -> None:
        self.clock.step(GLOBAL_BATCH, Distiller.tokens, Distiller.told)


def collate(items):
    ids, mask, labels = padded([item["row"] for item in items], None)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


folder, steps = arguments()
teacher, student = models(folder, torch.bfloat16, torch.float32)
pair = Pair(student, projector_for(student, teacher))
rows = [{"row": row, "input_ids": row.ids} for row in rows_of(folder, steps * GLOBAL_BATCH)]
optimizer = torch.optim.AdamW(
    [
        {"params": student.parameters(), "lr": LEARNING_RATE},
        {"params": pair.projector.parameters(), "lr": PROJECTOR_LEARNING_RATE},
    ],
    fused=True,
)
with tempfile.TemporaryDirectory() as out:
    trainer = Distiller(
        model=pair,
        args=TrainingArguments(
            output_dir=out,
            per_device_train_batch_size=GLOBAL_BATCH,
            max_steps=steps,
            bf16=True,
            use_cpu=not torch.cuda.is_available(),
            train_sampling_strategy="group_by_length",
            max_grad_norm=1.0,
            lr_scheduler_type="constant",
            save_strategy="no",
            report_to="none",
            logging_steps=10_000,
            disable_tqdm=True,
            remove_unused_columns=False,
        ),
        train_dataset=rows,
        data_collator=collate,
        optimizers=(optimizer, None),
        callbacks=[Say()],
    )
    trainer.teacher = teacher.to(trainer.args.device)
    trainer.train()
