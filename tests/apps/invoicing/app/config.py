import os


def required(name):
    try:
        return os.environ[name]
    except KeyError:
        raise RuntimeError(f"set {name}") from None
