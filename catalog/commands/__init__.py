"""The commands by subject: each reads its arguments, calls the subject's functions, and prints the result.

A module's `register` adds its commands to the program.
"""
