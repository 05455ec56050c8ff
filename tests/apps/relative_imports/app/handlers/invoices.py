from app.domain.rates import VAT
from app.handlers import respond


def handler(event, context):
    return respond({"vat": VAT, "module": __name__})
