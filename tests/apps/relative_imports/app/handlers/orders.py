import importlib
import logging

from .. import VERSION
from ..domain.pricing import total
from . import respond

logger = logging.getLogger()
logger.setLevel(logging.INFO)


def handler(event, context):
    rates = importlib.import_module("app.domain.rates")  # a lazy, dynamic import
    amount = total(event["lines"], rates.VAT)
    logger.info("total of %d lines", len(event["lines"]))
    return respond({"total": amount, "version": VERSION})
