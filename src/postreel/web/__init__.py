"""Pages for members, the HTTP API, tracking endpoints, the console."""
