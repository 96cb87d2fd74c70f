from __future__ import annotations

import pytest

from segsr.cli.bar import Bar


@pytest.mark.parametrize("kind", ["failed", "differs", "note"])
def test_sentences_are_printed_as_they_are_and_on_one_line(kind, capsys):
    sentence = "[bold]a[/nothing].png: " + "why " * 60
    with Bar() as bar:
        bar.tell(kind, sentence)
    captured = capsys.readouterr()
    assert f"{kind} {sentence}".rstrip() in captured.err
    assert not captured.out


def test_a_hidden_bar_shows_nothing_but_failures(capsys):
    with Bar(visible=False) as bar:
        bar.start("labelling", 3)
        bar.advance()
        bar.reach(2, "b.png")
        bar.tell("note", "b.png is small")
        bar.tell("failed", "a.png: why")
    assert capsys.readouterr().err.strip() == "failed a.png: why"


def test_each_piece_of_work_leaves_its_line(capsys):
    with Bar() as bar:
        bar.start("[first]", 4)
        bar.advance(3)
        bar.start("second", 2)
        bar.reach(2, "done")
    lines = [line.split() for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert [(line[0], line[-3]) for line in lines] == [("[first]", "3/4"), ("done", "2/2")]


def test_a_long_name_leaves_room_for_the_numbers(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with Bar() as bar:
        bar.start("a very long name of a photograph from the summer holiday of 2019.jpg", 4000)
        bar.reach(1234, "another very long name of a photograph from the summer holiday.jpg")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert "…" in line
    assert line.split()[-3] == "1234/4000"
    assert len(line) <= 80
