def greeting(name):
    return f"Goodbye, {name}"
