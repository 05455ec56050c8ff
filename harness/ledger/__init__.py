"""The on-disk record of everything that a run creates or overwrites outside this process, and what undoes it."""
