from __future__ import annotations

import pytest

from segsr.progress import file_progress, tell


@pytest.mark.parametrize("kind", ["failed", "note"])
def test_sentences_are_printed_as_they_are_and_on_one_line(kind, capsys):
    sentence = "[bold]a[/nothing].png: " + "why " * 60
    with file_progress() as progress:
        tell(progress, kind, sentence)
    captured = capsys.readouterr()
    assert f"{kind} {sentence}".rstrip() in captured.err
    assert not captured.out


def test_a_hidden_bar_shows_nothing_but_failures(capsys):
    with file_progress(visible=False) as progress:
        progress.add_task("labelling", total=3)
        tell(progress, "failed", "a.png: why")
    assert capsys.readouterr().err.strip() == "failed a.png: why"
