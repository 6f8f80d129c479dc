"""`make deploy-local`: the real `cdktf deploy dev-stack`, against an emulator of AWS on loopback.

`run.py` is the road: what the machine has (`machine.py`), cdktf itself (`cdktf.py`), one record
(`one_record.py`), and what is left over (`leftovers.py`). `limits.py` says how it differs from AWS, and why.
"""
