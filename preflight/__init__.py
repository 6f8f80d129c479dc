"""Asks an AWS account whether a stack can be deployed to it, without changing anything.

`python -m preflight STACK` prints one table. It exits with 0 if nothing is in the way, with 1 if something
is, and with 3 if the account cannot be reached or a setting is wrong.
"""
