import os
import uuid
from datetime import datetime, timezone

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent,
)

logger = Logger()
persistence = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
config = IdempotencyConfig(event_key_jmespath="order_id", expires_after_seconds=3600)


@idempotent(persistence_store=persistence, config=config)
def lambda_handler(event, context):
    fee = int(parameters.get_parameter(os.environ["SETTING_NAME"], max_age=60))
    payment = {
        "payment_id": str(uuid.uuid4()),
        "amount": event["amount"] + fee,
        "at": datetime.now(timezone.utc).isoformat(),
    }
    logger.info("charged", extra=payment)
    return payment
