"""Hostile records: a corpus, drawn events, and what they must not do to the processor."""
