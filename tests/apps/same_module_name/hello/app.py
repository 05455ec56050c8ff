from utils import greeting

calls = 0


def lambda_handler(event, context):
    global calls
    calls += 1
    return {"text": greeting(event["name"]), "calls": calls}
