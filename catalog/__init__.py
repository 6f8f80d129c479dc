"""The operators' program, `catalog --help`. It imports the processor; nothing imports it.

`app.py` has the commands, each a few lines; the work is done by functions that take ready clients and return
plain data, so that another front end (a console page, a script) can use them too.
"""
