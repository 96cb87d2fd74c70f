"""`segsr app` says what it lacks."""

from importlib import util

from segsr.cli import main


def test_what_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "gradio" else object())
    assert main(["app"]) == 2
    assert "gradio is not installed: pip install 'segsr[app]'" in capsys.readouterr().err


def test_the_page_is_for_this_machine_alone_unless_told():
    import argparse

    from segsr.cli.verbs import app

    parser = argparse.ArgumentParser()
    app.add_arguments(parser)
    told = parser.parse_args([])
    assert (told.host, told.api_only, told.keep) == ("127.0.0.1", False, 60)
    assert not hasattr(told, "share")
