"""How an environment is: read from CloudWatch, and from the stores where CloudWatch has nothing.

`report.py` puts it together; each other module reads one part and returns plain data.
"""
