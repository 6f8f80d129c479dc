"""Sending updates as a supplier does: from a file, or simulated.

`lines.py` cuts a source into lines, `csv_rows.py` makes JSON of rows, `outgoing.py` makes the records,
`expected.py` says which the processor will reject, `sending.py` puts them on the stream, `waiting.py` waits
until the pipeline has processed them, and `report.py` says how it went. `simulation.py` makes updates up.
"""
