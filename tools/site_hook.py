"""What the site takes from outside docs/, and what it computes: a hook of MkDocs.

Pages: files of the repository that are pages of the site as well (`PAGES`). Links: one that leaves
docs/ becomes a link to such a page, to the repository where its address is known (`repo_url`), else
to a copy of the file; what it names must exist. Equations become MathML, which browsers show
without a script. The command line's page is what the verbs say of themselves.
"""

from __future__ import annotations

import argparse
import html
import os
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from segsr.cli.find_verbs import import_verb, verb_names

os.environ.update(COLUMNS="90", NO_COLOR="1")  # of argparse's help
ROOT = Path(__file__).parents[1]
PAGES = {
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/RESULTS.md": "results.md",
    "integrations/comfyui/README.md": "comfyui.md",
    "src/segsr/samples/README.md": "samples.md",
    "src/segsr/weights/compact/README.md": "card-compact.md",
    "src/segsr/weights/compact_labeler/README.md": "card-compact-labeler.md",
}
"""Files of the repository, and what they are called on the site."""
VERBS = "<!-- verbs -->"
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))")
_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that lie outside docs/."""
    for origin, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / origin)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page whose links lead somewhere on the site, and the verbs where they belong."""
    origins = {site: origin for origin, site in PAGES.items()}
    here = origins.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def resolved(link: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(os.path.dirname(here), link[1]))
        return address(target, link[1], page, config, files) + (link[2] or "")

    markdown = _LINK.sub(resolved, markdown)
    return markdown.replace(VERBS, verbs()) if VERBS in markdown else markdown


def address(target: str, link: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """What a link to a file of the repository is on the site; unknown ones stay as they are."""
    start = os.path.dirname(page.file.src_uri) or "."
    if target in PAGES:
        return os.path.relpath(PAGES[target], start)
    if target.startswith("docs/"):
        return os.path.relpath(target.removeprefix("docs/"), start)
    if not (ROOT / target).is_file():
        return link  # a strict build ends with it
    if config.repo_url:
        return f"{config.repo_url.rstrip('/')}/blob/main/{target}"
    copy = f"source/{target}"
    if files.get_file_from_path(copy) is None:
        files.append(File.generated(config, copy, abs_src_path=str(ROOT / target)))
    return os.path.relpath(copy, start)


def on_page_content(content: str, **_: Any) -> str:
    """A page's HTML with equations as MathML."""

    def equation(found: re.Match[str]) -> str:
        display = "block" if found[1] == "div" else "inline"
        return convert(html.unescape(found[2]), display=display)

    return _EQUATION.sub(equation, content)


def verbs() -> str:
    """The help of every verb, as Markdown."""
    return "\n\n".join(f"## segsr {name}\n\n```text\n{verb_help(name)}```" for name in verb_names())


def verb_help(name: str) -> str:
    """What `segsr NAME --help` prints."""
    verb = import_verb(name)
    parser = argparse.ArgumentParser(prog=f"segsr {name}", description=verb.__doc__)
    verb.add_arguments(parser)
    return parser.format_help()
