"""
The on-disk record of everything that a run creates or overwrites outside this process, and what undoes it.

`ledger.py` writes it, `files.py` is a ledger's file (its lock, its lines), `values.py` how values are written, `reading.py` reads
it again. `kinds.py` says what kinds of things there are; `undo/` how each is undone. `sweep.py` undoes what dead runs left,
`tagged.py` finds what dead runs on other machines left, and `leaks.py` tells what one test left.
"""
