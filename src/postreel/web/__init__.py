"""Pages for members, the HTTP API, the tracking endpoints and the operator's console.

Every handler goes through the gate and opens no store. A GET changes nothing, not even what it shows: what changes
something is a POST that somebody pressed a button for.

Public modules: `serve` (the ASGI application), `pages` (templates to responses).
"""
