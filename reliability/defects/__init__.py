"""Deliberate defects, each with the invariant it breaks and the suite that catches it."""
