def validated(order):
    if "id" not in order:
        raise ValueError("an order has an id")
    return order
