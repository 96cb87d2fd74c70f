"""What every request passes: size, address, visitor; and what every answer says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from fastapi import HTTPException

from segsr.app.limits import Limits
from segsr.app.visitors import is_key, new_visitor

COOKIE = "segsr_visitor"
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OWN = re.compile(r"/(health|docs|openapi\.json|api/restore|files/[\w-]+|page/[\w/-]+)")
"""Addresses of segsr's own."""
GRADIO = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/(assets|static|svelte)/[\w./~@+-]+"
    r"|/gradio_api/(info|app_id|startup-events|queue/(join|data)|heartbeat/[\w-]+|cancel|reset)"
)
"""What the page needs of gradio. Its other addresses stay closed: among them are an upload and a
file server that know neither our reader nor our visitors, and tell where on the machine files lie.
"""
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # gradio compiles its templates
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)


class Guard:
    """Stands before an ASGI application.

    Args:
        app: The application.
        limits: Of a request's bytes.
        page: Whether the page is served, or the HTTP interface alone.
    """

    def __init__(self, app: App, limits: Limits, *, page: bool) -> None:
        self.app = app
        self.limits = limits
        self.page = page

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        headers = {key.lower(): value for key, value in scope["headers"]}
        key = visitor_of(headers.get(b"cookie", b"").decode("latin-1"))
        fresh = new_visitor() if self.page and path == "/" and key is None else None
        guarded = _telling(send, fresh, secure=scope.get("scheme") == "https")
        if ".." in path or (not OWN.fullmatch(path) and not (self.page and GRADIO.fullmatch(path))):
            await refuse(guarded, 404, "there is nothing at this address")
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._most:
            await refuse(guarded, 413, self._too_large)
            return
        await self._counted(scope, receive, guarded)

    @property
    def _most(self) -> int:
        return self.limits.bytes + 2**16  # the form around a file

    @property
    def _too_large(self) -> str:
        return (
            f"a request may have {self.limits.bytes / 2**20:.0f} MB: send a smaller file, or use"
            " segsr upscale on your own machine"
        )

    async def _counted(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer, unless the body turns out to be longer than it said."""
        seen, began = 0, False

        async def counting() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise HTTPException(413, self._too_large)
            return message

        async def watching(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self.app(scope, counting, watching)
        except HTTPException as error:  # which the application hands on, or has answered itself
            if not began:
                await refuse(send, error.status_code, error.detail)


def visitor_of(cookies: str) -> str | None:
    """Return the visitor's key from a request's cookies, if there is one."""
    try:
        jar: SimpleCookie = SimpleCookie(cookies)
    except CookieError:
        return None
    key = jar[COOKIE].value if COOKIE in jar else None
    return key if is_key(key) else None


async def refuse(send: Send, status: int, sentence: str) -> None:
    """Answer with a sentence."""
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _telling(send: Send, visitor: str | None, *, secure: bool) -> Send:
    """Return `send` with our headers, and with the cookie of a new `visitor`."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in _HEADERS}
            given = [pair for pair in message.get("headers", ()) if pair[0].lower() not in ours]
            message["headers"] = [*given, *_HEADERS]
            if visitor is not None:
                cookie = f"{COOKIE}={visitor}; Path=/; HttpOnly; SameSite=Strict"
                cookie += "; Secure" if secure else ""
                message["headers"].append((b"set-cookie", cookie.encode()))
                message["headers"].append((b"cache-control", b"no-store"))
        await send(message)

    return telling
