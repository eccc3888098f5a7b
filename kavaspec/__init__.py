"""kavaspec compiles an experiment: a partial spec and the facts of a machine become a complete lock."""

__version__ = "0.1.0"
