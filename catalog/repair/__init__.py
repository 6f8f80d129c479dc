"""Repair: failed batches and quarantined records are found, fixed, and run again through the function's code.

The functions take ready clients and return plain data; the commands print it.
"""
