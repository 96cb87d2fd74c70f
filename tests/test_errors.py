"""Sentences name their file once."""

from pathlib import Path

from segsr.errors import about


def test_a_reason_that_names_its_file_stays_as_it_is():
    photo = Path("in/a.png")
    assert about(photo, "in/a.png is damaged: replace it") == "in/a.png is damaged: replace it"


def test_a_reason_that_names_no_file_gets_it():
    assert about(Path("in/a.png"), "not enough memory") == "in/a.png: not enough memory"
