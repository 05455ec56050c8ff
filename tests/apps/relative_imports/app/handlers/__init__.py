def respond(body):
    return {"ok": True, **body}
