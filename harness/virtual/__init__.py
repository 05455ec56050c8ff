"""
The doors of a thread: what ordinary Python code uses to reach time, randomness, its environment, other threads and the network.

While a world is open each door is replaced, once per process, by one that asks which actor the calling thread is. A thread of the
world gets virtual time and its own function's environment; every other thread (xdist, a debugger) gets the real thing.
"""

from stagefright.virtual.doors import close_doors, open_doors

__all__ = ["close_doors", "open_doors"]
