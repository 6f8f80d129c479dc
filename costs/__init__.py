"""What an environment costs a month and how much it can take, from its settings and AWS's list prices.

`fixed.py` and `usage.py` have the drivers, `prices.toml` the prices, `capacity.py` the limits, `report.py`
the text of both, `free.py` what costs nothing. Nothing here needs cdktf, an account or a network.
"""
