def total(lines, vat):
    return round(sum(line["price"] * line["count"] for line in lines) * (1 + vat), 2)
