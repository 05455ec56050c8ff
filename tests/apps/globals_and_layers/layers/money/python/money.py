def euros(amount):
    return f"{amount:.2f} EUR"
