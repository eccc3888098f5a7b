"""The lock: its model, its file, its ids, its proof."""
