"""`make local`: a week of updates through the whole pipeline, and a verdict on the result.

`feed.py` has what is sent, `run.py` the run itself, `verdict.py` the checks at its end.
"""
