"""One place each: decisions, a run, and what opens over them."""
