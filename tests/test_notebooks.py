"""The notebooks run from top to bottom, or are pages of docs/ that do (`test_snippets.py`)."""

import runpy
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
TOOL = runpy.run_path(str(ROOT / "tools" / "page_notebook.py"))
NOTEBOOKS = sorted(set((ROOT / "notebooks").glob("*.ipynb")) - {TOOL["NOTEBOOK"]})


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert pictures


def test_the_tutorial_is_its_page() -> None:
    made = TOOL["notebook"](TOOL["PAGE"].read_text(encoding="utf-8"))
    kept = nbformat.read(TOOL["NOTEBOOK"], as_version=4)
    assert made == kept, "the page has changed: python tools/page_notebook.py"
