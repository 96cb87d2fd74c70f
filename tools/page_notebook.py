"""The tutorial as a notebook: a page of docs/ whose blocks marked `<!-- run -->` become cells.

python tools/page_notebook.py
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "your-photos.md"
NOTEBOOK = ROOT / "notebooks" / "03_train_on_your_photos.ipynb"
_RUN = re.compile(r"<!-- run -->\n```(\w+)\n(.*?)```\n", re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s]+)(?=\))")


def notebook(page: str) -> Any:
    """A page's Markdown as a notebook; links lead from notebooks/ to docs/."""
    cells = []
    *pieces, rest = _RUN.split(page)
    for text, language, code in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        cells.append(nbformat.v4.new_markdown_cell(moved(text)))
        magic = "" if language == "python" else "%%bash\n"
        cells.append(nbformat.v4.new_code_cell(magic + code.rstrip()))
    cells.append(nbformat.v4.new_markdown_cell(moved(rest)))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the same every time
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def moved(text: str) -> str:
    """Markdown of docs/ as it must read in notebooks/."""

    def there(link: re.Match[str]) -> str:
        return posixpath.relpath(posixpath.join("docs", link[1]), "notebooks")

    return _LINK.sub(there, text).strip()


if __name__ == "__main__":
    nbformat.write(notebook(PAGE.read_text(encoding="utf-8")), NOTEBOOK)
    print(NOTEBOOK)
