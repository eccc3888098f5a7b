"""`objective.kind = "ce"`: plain next-token cross-entropy; no teacher. The baseline of every claim."""

from __future__ import annotations

PRESETS: dict[str, dict[str, object]] = {}
