"""
An AWS emulator in a container, which the target `docker` deploys to.

`engine.py` is the way to the Docker engine, `image.py` which image and how it gets there, `emulator.py` the container from start to
removal, `workers.py` what keeps parallel workers apart in it.
"""
