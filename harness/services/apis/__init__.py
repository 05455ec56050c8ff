"""Everything that answers HTTP requests in a world: HTTP APIs, REST APIs and the URLs of functions."""
