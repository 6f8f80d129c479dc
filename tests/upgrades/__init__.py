"""What each release left behind, which every later one must read: docs/upgrades.md.

A folder per release, written once by `.venv/bin/python -m tests.upgrades` with that release's code.
"""
