"""The command line: `segsr VERB ...`.

Only the standard library is imported before a verb runs, so that help is instant.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from segsr.cli.find_verbs import help_line, import_verb, verb_names
from segsr.cli.quiet import quieten
from segsr.cli.statuses import status
from segsr.nearest import nearest


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of `segsr ARGV`.

    0 done, 1 a file failed, 2 not usable, 130 stopped by Ctrl-C, 143 by SIGTERM.
    """
    name, rest = _split(list(sys.argv[1:] if argv is None else argv))
    verb = import_verb(name)
    parser = argparse.ArgumentParser(
        prog=f"segsr {name}", description=verb.__doc__, allow_abbrev=False
    )
    verb.add_arguments(parser)
    arguments = parser.parse_intermixed_args(rest)
    quieten()
    return status(lambda: int(verb.run(arguments)))


def _split(argv: list[str]) -> tuple[str, list[str]]:
    """The verb and what follows it; help and version end here."""
    known = verb_names()
    parser = argparse.ArgumentParser(
        prog="segsr",
        description="Segmentation-guided diffusion super-resolution.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="segsr VERB ...",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("verb", nargs="?", metavar="VERB")
    if argv[:1] in (["-h"], ["--help"]):
        lines = [f"  {name:<9} {help_line(name)}\n" for name in known]
        parser.epilog = f"verbs:\n{''.join(lines)}\nsegsr VERB --help tells a verb's arguments."
    arguments = parser.parse_args(argv[:1])
    if arguments.version:
        from segsr import __version__

        print(f"segsr {__version__}")
        parser.exit()
    if arguments.verb is None:
        parser.error(f"a verb is missing: {', '.join(known)}")
    if arguments.verb not in known:
        hint = nearest(arguments.verb, known) or f": choose from {', '.join(known)}"
        parser.error(f"no verb {arguments.verb}{hint}")
    return arguments.verb, argv[1:]
