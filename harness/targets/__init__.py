"""
Stages that live outside this process, on the targets `docker` and `aws`: real time, real events, an account that others may use too.

`account.py` is the way to the account, `stack.py` what is deployed there, `deployed_stage.py` the stage that a test holds.
"""
