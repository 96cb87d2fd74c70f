"""A long restoration says beforehand how long it will take."""

import local

from segsr.inference.forecast import Forecast
from segsr.inference.memory import Layout
from segsr.inference.tiles import Tiling

LAYOUT = Layout(Tiling(64, 16, 2), band=100, overlap=48, step=2)


def forecasts(size: tuple[int, int], layout: Layout, seconds: list[float]) -> list[str]:
    said: list[str] = []
    times = iter([0.0, *seconds])
    forecast = Forecast(local.joint(), size, layout, 2, said.append, clock=lambda: next(times))
    for _ in seconds:
        forecast()
    return said


def test_it_counts_bands_steps_and_tiles() -> None:
    # Per band 2 x 3 tiles of 5 s and 10 s before the first; 5 bands, 2 steps.
    said = forecasts((300, 150), LAYOUT, [15.0, 20.0])
    assert said == ["600x1200 px in 5 bands of 6 tiles of 256 px: about 7 min"]


def test_what_takes_hours_is_told_in_hours_and_what_is_short_not_at_all() -> None:
    assert forecasts((300, 150), LAYOUT, [1500.0, 2000.0])[0].endswith("about 11.1 h")
    assert forecasts((300, 150), LAYOUT, [0.15, 0.2]) == []
