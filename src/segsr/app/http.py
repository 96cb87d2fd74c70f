"""The HTTP interface: for scripts, for operators, and what the page fetches."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.datastructures import UploadFile as Received

from segsr import __version__
from segsr.app.guard import visitor_of
from segsr.app.pages import OURS, render
from segsr.app.service import Service
from segsr.app.settings import Settings
from segsr.app.turns import LineFullError, Turn
from segsr.app.visitors import Visit, is_key
from segsr.batch import SCALE
from segsr.errors import SegSRError
from segsr.model.options import Colour, SamplingOptions, Start

_GONE = "there is no such file of yours: what is older than an hour has been deleted"
_NO_VISITOR = "who asks is not known: reload the page, and allow it a cookie"
_PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "The restored photograph."}
}
_SENTENCES = {
    400: "A file or a value does not fit.",
    413: "The request is too large.",
    422: "A value is missing or of another kind.",
    503: "The line is full; Retry-After tells when to come again.",
}
_REPLIES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {"application/json": {"example": {"error": "a sentence: what to do"}}},
    }
    for status, text in _SENTENCES.items()
}


class Http:
    """The addresses of segsr's own.

    Args:
        service: Does what they ask.
    """

    def __init__(self, service: Service) -> None:
        self.service = service

    def application(self) -> FastAPI:
        """Return the application that answers at them."""
        app = FastAPI(
            title="segsr",
            version=__version__,
            description="Restores photographs at four times their size, guided by their masks.",
            docs_url=None,  # its page comes from a server elsewhere; ours is beside this file
            redoc_url=None,
        )
        app.add_exception_handler(SegSRError, _sentence)
        app.add_exception_handler(HTTPException, _sentence)
        app.add_exception_handler(RequestValidationError, _sentence)
        app.add_exception_handler(Exception, _sentence)
        add = app.add_api_route
        add("/health", self.health, methods=["GET"], summary="How the server is")
        add(
            "/api/restore",
            self.restore,
            methods=["POST"],
            response_class=Response,
            responses={**_PNG, **_REPLIES},
            summary="Restore a photograph",
        )
        hidden: dict[str, Any] = {"include_in_schema": False, "response_model": None}
        add("/docs", self.docs, methods=["GET"], **hidden)
        add("/files/{token}", self.file, methods=["GET"], **hidden)
        add("/page/photos", self.photo, methods=["POST"], **hidden)
        add("/page/samples/{name}", self.sample, methods=["POST"], **hidden)
        self._app = app
        return app

    def health(self) -> dict[str, Any]:
        """Version, model, device, the line, and what has been done since the start."""
        return self.service.health()

    def docs(self, request: Request) -> HTMLResponse:
        """Return the page that describes the interface."""
        return HTMLResponse(render("docs.html", schema=self._app.openapi(), url=request.base_url))

    async def restore(
        self,
        request: Request,
        image: Annotated[UploadFile, File(description="The photograph.")],
        mask: Annotated[
            UploadFile | None,
            File(
                description="Classes to hold: a grey or indexed PNG as large as the photograph or"
                " its restoration; 255 where the model decides."
            ),
        ] = None,
        steps: Annotated[
            int | None, Form(ge=1, description="Sampling steps; the model's own if left out.")
        ] = None,
        seed: Annotated[int, Form(description="Key of the noise, with the file's name.")] = 0,
        guidance: Annotated[float, Form(description="0 without the mask, 1 as trained.")] = 1.0,
        start: Annotated[
            Start | None, Form(description="Begin from noise, or from the photograph.")
        ] = None,
        temperature: Annotated[
            float | None, Form(ge=0, description="Noise at the start: 0 is faithful.")
        ] = None,
        fidelity: Annotated[
            float | None, Form(ge=0, le=1, description="Of a controllable decoder.")
        ] = None,
        strength: Annotated[
            float, Form(ge=0, le=1, description="1 all of it, 0 the photograph enlarged.")
        ] = 1.0,
        colour: Annotated[
            Colour | None, Form(description="Take colours from the photograph; else the model's.")
        ] = None,
        scale: Annotated[float, Form(ge=1, description="Times the photograph's size.")] = SCALE,
        answer: Annotated[
            Literal["picture", "mask"], Form(description="What comes back.")
        ] = "picture",
    ) -> Response:
        """Restores one photograph, at four times its size or less, exactly as `segsr upscale` does.

        The answer is a PNG: the picture, or the mask (pixel values are classes). Requests are
        served one at a time, in order; nothing of them is kept.
        """
        options = SamplingOptions(
            steps=steps,
            guidance=guidance,
            start=start,
            temperature=temperature,
            fidelity=fidelity,
            strength=strength,
            colour=colour,
        )
        folder = Path(tempfile.mkdtemp(dir=self.service.visitors.root))
        try:
            photo = (image.filename or "", folder / "upload")
            await run_in_threadpool(_save, image, photo[1])
            given = None
            if mask is not None:
                given = (mask.filename or "", folder / "mask")
                await run_in_threadpool(_save, mask, given[1])
            turn = await run_in_threadpool(
                self.service.restore_once,
                folder,
                photo,
                given,
                Settings(seed, options, scale),
                answer_mask=answer == "mask",
            )
            return Response(await self._result(request, turn), media_type="image/png")
        finally:
            await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)

    async def _result(self, request: Request, turn: Turn) -> bytes:
        """What the turn returns; whoever hangs up leaves the line."""
        waiting = asyncio.wrap_future(turn.result)
        try:
            while not (await asyncio.wait([waiting], timeout=1.0))[0]:
                if await request.is_disconnected():
                    raise HTTPException(499, "nobody waits for the answer any more")
            return bytes(waiting.result())
        finally:
            if not turn.result.done():
                self.service.turns.give_up(turn)
                with contextlib.suppress(BaseException):  # its files go when it has ended
                    await asyncio.shield(waiting)

    async def photo(self, request: Request, image: UploadFile) -> dict[str, Any]:
        """Take in a photograph for the page."""
        visitor = _known(request)
        visit = await run_in_threadpool(
            self.service.accept, visitor, image.filename, lambda path: _save(image, path)
        )
        return _told(visit)

    async def sample(self, request: Request, name: str) -> dict[str, Any]:
        """Take in a sample for the page."""
        visit = await run_in_threadpool(self.service.accept_sample, _known(request), name)
        return _told(visit)

    def file(self, request: Request, token: str) -> FileResponse:
        """Return a file of the visitor's own."""
        visitor = visitor_of(request.headers.get("cookie", ""))
        kept = self.service.visitors.file(visitor, token)
        if kept is None or not kept.path.is_file():
            raise HTTPException(404, _GONE)
        return FileResponse(
            kept.path,
            media_type=kept.media,
            filename=kept.name,
            content_disposition_type="inline",
            headers={"Cache-Control": "private, max-age=3600"},
        )


def _known(request: Request) -> str:
    visitor = visitor_of(request.headers.get("cookie", ""))
    if visitor is None or not is_key(visitor):
        raise HTTPException(403, _NO_VISITOR)
    return visitor


def _told(visit: Visit) -> dict[str, Any]:
    height, width = visit.size
    told = {"photo": visit.token, "name": visit.name, "address": visit.before}
    return {**told, "height": height, "width": width}


def _save(upload: Received, path: Path) -> None:
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file)


def _sentence(request: Request, error: Exception) -> JSONResponse:
    """Return an error as a sentence; of what nobody foresaw, not a word gets out."""
    headers = {}
    if isinstance(error, LineFullError):
        status, text = 503, str(error)
        headers["Retry-After"] = f"{error.seconds}"
    elif isinstance(error, SegSRError):
        status, text = 400, str(error)
    elif isinstance(error, HTTPException):
        status, text = error.status_code, str(error.detail)
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        status = 422
        text = f"{first['loc'][-1]}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    else:
        status, text = 500, OURS
    return JSONResponse({"error": text}, status, headers)
