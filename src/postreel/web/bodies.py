"""Bodies of requests: read up to a limit, forms of both kinds, JSON objects. Nothing is stored."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from postreel.errors import InputError

FORM_LIMIT = 64 * 1024
"""Bytes of a form; the longest of ours has a few hundred."""
JSON_LIMIT = 256 * 1024

Form = Mapping[str, list[str]]


class TooLargeError(InputError):
    """A body over its limit; nothing of it was used."""


async def body_of(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: it has more than `limit` bytes.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLargeError(f"the body has more than {limit} bytes; send it in parts")
        parts.append(part)
    return b"".join(parts)


async def form_of(request: Request) -> Form:
    """The fields of a form, of whichever kind; empty where the body is no form or too large.

    A form that cannot be read is answered like an empty one, which changes nothing.
    """
    try:
        body = await body_of(request, FORM_LIMIT)
    except TooLargeError:
        return {}
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _multipart(request, body)
    return _grouped(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=None))


async def _multipart(request: Request, body: bytes) -> Form:
    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, once(), max_files=0, max_fields=100).parse()
    except (MultiPartException, KeyError, ValueError, UnicodeError):
        return {}
    return _grouped([(key, value) for key, value in form.multi_items() if isinstance(value, str)])


def _grouped(pairs: list[tuple[str, str]]) -> Form:
    fields: dict[str, list[str]] = {}
    for key, value in pairs:
        fields.setdefault(key, []).append(value)
    return fields


def first(form: Form, name: str) -> str:
    """The first value of a field; empty where there is none."""
    return form.get(name, [""])[0]


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        InputError: it is none.
        TooLargeError: it is over 256 KiB.
    """
    body = await body_of(request, JSON_LIMIT)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("the body is not JSON") from None
    if not isinstance(found, dict):
        raise InputError("the body is not a JSON object")
    return cast("dict[str, Any]", found)


def is_from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site's page made this request.

    Programs that are no browser do not say, and pass; what they lack is the token.
    """
    return request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
