"""Mistakes in a synthesized stack, each with the test that catches it; `make misconfigure` tries them."""
