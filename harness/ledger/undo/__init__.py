"""How things are looked at and undone, one file per service; `kinds.py` has the table of kinds."""
