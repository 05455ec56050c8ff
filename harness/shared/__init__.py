"""
What stages share because it is no part of a stack: a database server, say, that is too slow or too dear to be made for each of them.

Each stage gets a part of its own there, made when the stage is stood up and dropped with it. `declaration.py` is what the settings say,
`postgresql.py` the one kind there is.
"""
