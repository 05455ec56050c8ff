"""
Standing a stack up in an account, and taking it down again.

`packaging.py` brings code and templates to S3 (`code_bucket.py`, `zipping.py`, `sam_build.py`), `change_sets.py` has CloudFormation make the
stack, `stack_events.py` tells what it does meanwhile, `commands.py` runs the user's own commands instead, `removal.py` takes it all away.
"""
