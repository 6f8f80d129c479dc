"""How large an environment must be for a load, by what `make bench` measured.

`figures.py` reads the measurements, `plan.py` computes with them, each formula in words beside it, and
`simulation.py` lets batches compete for a database's cores. `plot.py` draws where a database ends.
"""
