"""Keeps other websites out: the workspace listens on loopback, where every page in the same browser could reach it.

The Web API and its neighbours ask for a token, a ticket or a secret address. Everything else is for the
workspace's own page alone, and programs on this machine: other sites can neither act, read nor frame it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from handlers.chat_settings import LOOPBACK

OURS = ("/page/", "/calls", "/faults")


@web.middleware
async def own_page_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another website, or another name for this machine, sends to what is ours."""
    if request.path.startswith(OURS):
        # 1. The name is this machine's own, so that no other name can be made to mean it.
        if not local(request.host):
            return _refused(403, "This workspace answers to localhost only.")
        # 2. A browser says where a request comes from; only our own page and a visitor's typing count.
        if request.headers.get("Origin", f"http://{request.host}") != f"http://{request.host}":
            return _refused(403, "Only the workspace's own page may do that.")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return _refused(403, "Only the workspace's own page may do that.")
        # 3. Whatever a form of another site could send unasked has another content type.
        if request.method == "POST" and request.content_type != "application/json":
            return _refused(415, "Send JSON, as application/json.")
    return await handler(request)


def headers(device_page: str) -> dict[str, str]:
    """What the page tells the browser: run and show nothing but our own, and the device page in its frame."""
    found = urlsplit(device_page)
    phone = f"{found.scheme}://{found.netloc}" if found.netloc else ""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {phone}",
        "frame-src": phone or "'none'",
        "form-action": f"'self' {phone}",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}".strip() for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        # The phone's page has to see which page it was asked from, so the origin stays and the path goes.
        "Referrer-Policy": "strict-origin",
        "Cache-Control": "no-cache",
    }


def local(host: str) -> bool:
    """Whether a Host header names this machine, and not another name that was made to mean it."""
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False


def _refused(status: int, sentence: str) -> web.Response:
    return web.json_response({"ok": False, "error": sentence}, status=status)
