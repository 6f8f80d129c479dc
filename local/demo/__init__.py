"""`make local`: a week of updates through the whole pipeline, and a verdict on what it left behind."""
