"""Tests of the project's tools: the wheel, its requirements, and the commands that CI runs."""
