"""Measured comparisons; run them with `make bench`. Never timed tests: a busy machine must not turn a build red."""
