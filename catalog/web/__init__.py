"""The console page of `catalog console`: one page on loopback that shows a pipeline as it runs.

`server.py` listens, `guard.py` decides who may ask, `application.py` has what can be asked for. What is shown
comes from the functions that the commands use; `live.py` publishes it to open pages. `static/` is the page.
"""
