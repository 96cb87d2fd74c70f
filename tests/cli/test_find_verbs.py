"""A verb is one file: nothing else names it."""

from __future__ import annotations

import sys

import pytest

from segsr import cli
from segsr.cli import verbs
from segsr.cli.find_verbs import verb_names

COUNT = '''"""Count letters.

Of words.
"""

from segsr.errors import SegSRError


def add_arguments(parser):
    parser.add_argument("words", nargs="+")
    parser.add_argument("--double", action="store_true")


def run(arguments):
    if "" in arguments.words:
        raise SegSRError("no letters in an empty word: leave it out")
    print(sum(map(len, arguments.words)) * (2 if arguments.double else 1))
    return 0
'''


@pytest.fixture
def add_verb(write, monkeypatch):
    """Writes a verb as one new file where verbs are looked for."""

    def add_verb(name: str, source: str) -> None:
        folder = write(f"verbs/{name}.py", source).parent
        monkeypatch.setattr(verbs, "__path__", [*verbs.__path__, str(folder)])
        # what importing it leaves behind is taken back with this
        monkeypatch.setitem(sys.modules, f"segsr.cli.verbs.{name}", None)
        monkeypatch.delitem(sys.modules, f"segsr.cli.verbs.{name}")
        monkeypatch.setattr(verbs, name, None, raising=False)

    return add_verb


def printed_help(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main([*arguments, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


def test_a_new_file_is_a_verb(add_verb, capsys):
    assert "count" not in printed_help(capsys)
    add_verb("count", COUNT)
    assert "  count     Count letters.\n" in printed_help(capsys)
    assert "--double" in printed_help(capsys, "count")
    assert cli.main(["count", "two", "--double", "words"]) == 0
    assert capsys.readouterr().out == "16\n"
    assert cli.main(["count", ""]) == 2
    assert capsys.readouterr().err == "segsr: no letters in an empty word: leave it out\n"


def test_a_verb_that_is_a_word_of_pythons_has_an_underscore(add_verb, capsys):
    add_verb("with_", '"""Do it."""\nadd_arguments = lambda parser: None\nrun = lambda _: 1\n')
    assert "with" in verb_names()
    assert cli.main(["with"]) == 1


def test_verbs_are_not_imported_to_be_listed(add_verb, capsys):
    add_verb("broken", '"""Break."""\nraise AssertionError\n')
    assert "  broken    Break.\n" in printed_help(capsys)
