def check(book):
    return [f"{field} is missing" for field in ("isbn", "title") if not book.get(field)]
