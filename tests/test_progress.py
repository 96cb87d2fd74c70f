"""Library code prints nothing; whoever waits for it may hear how far it is."""

from __future__ import annotations

from segsr.data.degrade_folder import degrade_folder
from segsr.data.pair_maker import PairMaker
from segsr.degradation import Pipeline
from segsr.progress import Progress, Silent


class Heard:
    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.done = 0
        self.told: list[tuple[str, str]] = []

    def start(self, what, total) -> None:
        self.started.append((what, total))

    def advance(self, count=1) -> None:
        self.done += count

    def reach(self, done, what, total=None) -> None:
        self.done = done

    def tell(self, kind, sentence) -> None:
        self.told.append((kind, sentence))


def test_a_listener_hears_of_every_photograph_and_the_terminal_of_none(tmp_path, picture, capfd):
    photos = [picture(tmp_path / "in" / f"{name}.png", 64, 64) for name in "abc"]
    photos[1].write_bytes(b"no image")
    make = PairMaker(Pipeline(), seed=0)
    heard = Heard()
    assert isinstance(heard, Progress)
    degrade_folder(photos, tmp_path / "out", make, recipe="", progress=heard)
    assert heard.started == [("degrading", 3)]
    assert heard.done == 3
    ((kind, sentence),) = heard.told
    assert kind == "failed"
    assert sentence.startswith(f"{photos[1]} is not a readable image")
    degrade_folder(photos[:1], tmp_path / "unheard", make, recipe="")
    assert capfd.readouterr() == ("", "")


def test_silence_is_a_progress():
    assert isinstance(Silent(), Progress)
