def handler(event, context):
    return "booked"
