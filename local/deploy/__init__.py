"""`make deploy-local`: run the real `cdktf deploy dev-stack` against an emulator of AWS on loopback.

`deployment.py` is the main path: it checks the machine (`prerequisites.py`), starts the servers
(`deployment_target.py`), runs cdktf (`cdktf.py`), sends one record (`smoke_test.py`), and checks that a
destroy leaves nothing behind (`leftovers.py`). `differences_from_aws.py` lists the differences from AWS.
"""
