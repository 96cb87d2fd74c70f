"""The server of `segsr app`: model, page and HTTP interface behind one guard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from segsr.app.guard import Guard
from segsr.app.http import Http
from segsr.app.limits import Limits
from segsr.app.restorer import Restorer
from segsr.app.service import Service
from segsr.app.visitors import Visitors

_PREFIX = "segsr-app-"
_SWEEP = 30.0  # seconds between two looks at what is too old


def application(restorer: Restorer, root: Path, limits: Limits, *, page: bool = True) -> Any:
    """Return the ASGI application.

    Args:
        restorer: The model.
        root: Folder of visitors' files.
        limits: What visitors may ask for.
        page: Serve the page as well as the HTTP interface.
    """
    service = Service(restorer, Visitors(root, limits), limits)
    app = Http(service).application()
    if page:
        _mount_page(app, service)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        sweeping = asyncio.create_task(_sweep(service.visitors))
        try:
            async with inner(app) as state:
                yield state
        finally:
            sweeping.cancel()

    app.router.lifespan_context = lifespan
    return Guard(app, limits, page=page)


@contextmanager
def files_folder(limits: Limits) -> Iterator[Path]:
    """Make a folder for visitors' files and delete it in the end; also what a killed server left.

    A server that runs touches its folder again and again: one untouched for so long has none.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > max(limits.keep, 10 * _SWEEP):
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def serve(app: Any, host: str, port: int, root_path: str = "") -> None:
    """Answer at `host`:`port` until a signal comes.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    import uvicorn

    uvicorn.run(
        app,
        host=host,
        port=port,
        root_path=root_path,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )


def _mount_page(app: Any, service: Service) -> None:
    import gradio as gr

    from segsr.app.page import Page, head, theme
    from segsr.app.pages import asset

    os.environ["GRADIO_TEMP_DIR"] = str(service.visitors.root / "gradio")
    gr.mount_gradio_app(
        app,
        Page(service).blocks(),
        path="/",
        theme=theme(),
        css=asset("app.css"),
        head=head(),
        show_error=False,
        ssr_mode=False,
        footer_links=[],
        enable_monitoring=False,
        mcp_server=False,
    )


async def _sweep(visitors: Visitors) -> None:
    while True:
        await asyncio.sleep(_SWEEP)
        await asyncio.to_thread(visitors.sweep)
        os.utime(visitors.root)
