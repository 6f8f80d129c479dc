"""Proof by breaking: drawn histories of the whole pipeline in a simulated world, and a checker of I1–I6."""
