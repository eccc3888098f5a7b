"""The dashboard: why every value of a lock is what it is, and how a run is doing, in a terminal.

    events.jsonl ──follow──▶ Line ──reduce──▶ State ──views, chart──▶ text ──screens──▶ terminal

Everything left of `screens` works without a terminal and without Textual; `plain` prints the same
text for pipes, job logs and screen readers.
"""
