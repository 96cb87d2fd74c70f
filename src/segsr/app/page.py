"""The page, in gradio: what can be pressed and set. Files and pictures go by `segsr.app.http`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast, get_args

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when it is imported
os.environ.setdefault("GRADIO_RUN_HISTORY", "False")

import gradio as gr
from PIL import Image

from segsr.app.guard import COOKIE
from segsr.app.legend import Entry
from segsr.app.pages import OURS, asset, render
from segsr.app.service import Service, sample_names, small_sample
from segsr.app.settings import Settings
from segsr.app.turns import Turn
from segsr.app.visitors import Visit
from segsr.batch import SCALE
from segsr.errors import SegSRError
from segsr.model.options import Colour, SamplingOptions
from segsr.palette import COLOURS

_LOOK_AGAIN = 0.3
"""Seconds after which the page is told anew how far the work is."""
_FONTS = ("system-ui", "sans-serif")
_GONE = "this photograph has been deleted, as all are after a while: choose it again"


def theme() -> Any:
    """Return gradio's theme with fonts that are nowhere fetched."""
    mono = ("ui-monospace", "monospace")
    fonts = {"font": [gr.themes.Font(name) for name in _FONTS]}
    soft = gr.themes.Soft(primary_hue="teal", font_mono=[*map(gr.themes.Font, mono)], **fonts)
    return soft.set(  # white on the theme's own is hard to read
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        block_title_text_color="*primary_800",
        block_title_text_color_dark="*primary_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
    )


def head() -> str:
    """Return what the page's head gets: our script."""
    return f'<meta name="color-scheme" content="light dark"><script>{asset("app.js")}</script>'


class Page:
    """The page of a service.

    Args:
        service: Does what is asked.
    """

    def __init__(self, service: Service) -> None:
        self.service = service

    def blocks(self) -> Any:
        """Return the page as gradio's blocks."""
        with gr.Blocks(title="segsr", analytics_enabled=False) as blocks:
            gr.Markdown(
                "# segsr\nRestores a photograph at four times its size. You see what it takes"
                " for what, and can tell it better."
            )
            with gr.Tabs():
                with gr.Tab("Restore"):
                    self._restore_tab()
                with gr.Tab("Label"):
                    self._label_tab()
            gr.Markdown(
                f"Your files are yours alone and are deleted after"
                f" {self.service.limits.keep / 60:.0f} minutes. For scripts: [HTTP](docs)."
            )
        return blocks

    def _restore_tab(self) -> None:
        restorer = self.service.restorer
        gr.HTML(self._chooser("restore"))
        with gr.Accordion("More", open=False):
            steps = gr.Slider(1, self.service.limits.steps, restorer.steps, step=1, label="Steps")
            seed = gr.Number(0, precision=0, label="Seed", info="the same draws the same details")
            guidance = gr.Slider(
                0, 4, 1, step=0.1, label="Guidance", info="0 without the mask, 1 as trained"
            )
            fidelity = gr.Slider(
                0,
                1,
                float(restorer.pipeline.model.image.fidelity) if restorer.has_fidelity else 0,
                step=0.05,
                label="Fidelity",
                info="0 free, 1 faithful" if restorer.has_fidelity else "not of this model",
                interactive=restorer.has_fidelity,
            )
            strength = gr.Slider(
                0, 1, 1, step=0.05, label="Strength", info="0 the photograph enlarged, 1 all"
            )
            colour = gr.Dropdown(
                [("the model's own", ""), *((name, name) for name in get_args(Colour))],
                value="",
                label="Colour",
                info="of the photograph: mean and spread (adain), or all that is coarse (wavelet)",
            )
            scale = gr.Slider(1, self.service.limits.scale, SCALE, step=0.5, label="Scale")
        button = gr.Button("Restore", variant="primary", elem_id="restore")
        status = gr.HTML(elem_id="restore-status")
        gr.HTML('<div id="restore-result"></div>')
        again = gr.Button("Restore again", elem_id="again")  # the painter's button presses it
        photo, edits, result = (gr.Textbox(visible=False) for _ in range(3))
        values = [photo, edits, steps, seed, guidance, fidelity, strength, colour, scale]
        for each, script in (
            (button, "(p, e, ...rest) => [segsr.photo('restore'), '', ...rest]"),
            (again, "(p, e, ...rest) => [segsr.shown(), segsr.edits(segsr.shown()), ...rest]"),
        ):
            pressed = each.click(self.restore, values, [status, result], js=script, **_EVENT)
            pressed.then(None, [result], js="(html) => segsr.show('restore-result', html)")

    def _label_tab(self) -> None:
        gr.HTML(self._chooser("label"))
        gr.Markdown("With the packaged labeler of street scenes, as `segsr label` does.")
        button = gr.Button("Label", variant="primary", elem_id="label")
        status = gr.HTML(elem_id="label-status")
        gr.HTML('<div id="label-result"></div>')
        photo, result = gr.Textbox(visible=False), gr.Textbox(visible=False)
        script = "() => [segsr.photo('label')]"
        pressed = button.click(self.label, [photo], [status, result], js=script, **_EVENT)
        pressed.then(None, [result], js="(html) => segsr.show('label-result', html)")

    def _chooser(self, tab: str) -> str:
        limits = self.service.limits
        return render(
            "choose.html",
            tab=tab,
            samples=[(name, _data_uri(name)) for name in sample_names()],
            megabytes=f"{limits.bytes / 2**20:.0f}",
            megapixels=f"{limits.pixels / 1e6:g}",
        )

    async def restore(
        self,
        photo: str,
        edits: str,
        steps: float | int,
        seed: float | int,
        guidance: float | int,
        fidelity: float | int,
        strength: float | int,
        colour: str,
        scale: float | int,
        request: gr.Request,
    ) -> AsyncIterator[tuple[Any, Any]]:
        """Yield how far a restoration is, and in the end what it shows."""
        restorer = self.service.restorer

        def begin(visit: Visit) -> Turn:
            options = SamplingOptions(
                steps=None if steps == restorer.steps else int(steps),
                guidance=guidance,
                fidelity=fidelity if restorer.has_fidelity else None,
                strength=strength,
                colour=cast("Colour | None", colour or None),
            )
            values = _bytes(edits) if edits else None
            return self.service.restore(visit, Settings(int(seed or 0), options, scale), values)

        def show(result: Any) -> str:
            return render(
                "result.html",
                r=result,
                stem=Path(result.name).stem,
                legend=result.legend,
                shares=_shares(result.legend),
                confidence="sure of",
                names=restorer.classes,
                colours=["#{:02x}{:02x}{:02x}".format(*colour) for colour in COLOURS],
                brush=max(4, min(result.height, result.width) // 4),
            )

        async for shown in self._follow(photo, request, begin, show, "Restoring"):
            yield shown

    async def label(self, photo: str, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Yield how far a labelling is, and in the end what it shows."""

        def show(result: Any) -> str:
            return render(
                "labelled.html",
                r=result,
                stem=Path(result.name).stem,
                legend=result.legend,
                shares=_shares(result.legend),
                confidence="confidence",
            )

        async for shown in self._follow(photo, request, self.service.label, show, "Labelling"):
            yield shown

    async def _follow(
        self,
        photo: str,
        request: gr.Request,
        begin: Callable[[Visit], Turn],
        show: Callable[[Any], str],
        doing: str,
    ) -> AsyncIterator[tuple[Any, Any]]:
        """Yield the status and the result of the turn that `begin` returns."""
        turns, turn = self.service.turns, None
        try:
            turn = begin(self._visit(photo, request))
            while not turn.result.done():
                yield self._status(turn, doing), gr.skip()
                await asyncio.wait([asyncio.wrap_future(turn.result)], timeout=_LOOK_AGAIN)
            result = turn.result.result()
            seconds = getattr(result, "seconds", None)
            done = f"Done in {seconds:.1f} s." if seconds is not None else "Done."
            yield _said(done), show(result)
        except SegSRError as error:
            yield _said(error=str(error)), gr.skip()
        except Exception:
            if turn is not None and not turn.result.done():
                raise  # gradio's own: the visitor has gone
            yield _said(error=OURS), gr.skip()
            raise
        finally:
            if turn is not None and not turn.result.done():
                turns.give_up(turn)

    def _visit(self, photo: str, request: gr.Request) -> Visit:
        """Return the visit, if it is of who asks.

        Raises:
            SegSRError: If there is none.
        """
        if not photo:
            raise SegSRError("there is no photograph yet: choose one, or a sample")
        visit = self.service.visitors.find(request.cookies.get(COOKIE), photo)
        if visit is None:
            raise SegSRError(_GONE)
        return visit

    def _status(self, turn: Turn, doing: str) -> str:
        left = self.service.turns.left(turn)
        return render(
            "status.html",
            error=None,
            doing=doing,
            waiting=self.service.turns.ahead(turn),
            done=turn.done,
            total=turn.total,
            left=None if left is None else max(1, round(left)),
            share=turn.done / turn.total if turn.done else None,
        )


_EVENT: dict[str, Any] = {
    "show_progress": "hidden",  # the status has its own
    "concurrency_limit": None,  # our line counts
    "api_visibility": "private",
}


def _said(doing: str = "", *, error: str | None = None) -> str:
    return render("status.html", error=error, waiting=None, doing=doing)


def _shares(legend: list[Entry]) -> str:
    return ", ".join(f"{entry.name} {entry.share:.0%}" for entry in legend)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SegSRError("what was painted did not arrive whole: try again") from None


def _data_uri(name: str) -> str:
    with Image.open(io.BytesIO(small_sample(name))) as image:
        small = image.resize((64, 64))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
