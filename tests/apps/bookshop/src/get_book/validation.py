def is_isbn(text):
    return text.replace("-", "").isdigit()
