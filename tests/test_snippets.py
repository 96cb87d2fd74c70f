"""Code blocks of the README and docs/: those marked `<!-- run -->` are executed, all name verbs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from segsr.cli.find_verbs import verb_names
from segsr.samples import samples_folder

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(<!-- run -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELL = f"""
set -eu
python() {{ {sys.executable} "$@"; }}
segsr() {{
    if [ "$1" = fit ]; then set -- "$@" $FIT; fi
    {sys.executable} -m segsr.cli "$@"
}}
"""
FIT = """
trainer.max_steps=2 trainer.val_check_interval=2 trainer.limit_val_batches=1
trainer.callbacks.budget.minutes=null trainer.callbacks.budget.steps=2
data.crop_size=64 data.eval_crop=64 data.batch_size=1
"""
"""What makes a fit of the docs a short one."""


def blocks(page: Path) -> list[tuple[bool, str, str]]:
    """Of every block of a page whether it is run, its language and its code."""
    return [(bool(run), language, code) for run, language, code in BLOCK.findall(page.read_text())]


RUN = [page for page in PAGES if any(run for run, *_ in blocks(page))]


@pytest.fixture
def desk(alone):
    """The working folder a reader is taken to have: photographs, small ones."""
    samples = sorted((samples_folder() / "images").glob("*.jpg"))
    for folder, left in (("holiday", 64), ("photos", 192), ("photos", 288)):
        (alone / folder).mkdir(exist_ok=True)
        for path in samples:
            crop = Image.open(path).crop((left, 128, left + 96, 224))
            crop.save(alone / folder / f"{path.stem} {left}.jpg", quality=95)
    Image.open(samples[0]).crop((0, 0, 60, 44)).save(alone / "scan.tif")
    Image.open(samples[1]).crop((100, 40, 164, 90)).save(alone / "photo.jpg", quality=95)
    return alone


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run_one_after_the_other(page, desk):
    names: dict[str, object] = {"__name__": "__main__"}
    for run, language, code in blocks(page):
        if not run:
            continue
        if language == "python":
            exec(compile(code, str(page), "exec"), names)
            continue
        assert language == "sh", f"{page} marks a block of {language} as run"
        variables = {**os.environ, "FIT": " ".join(FIT.split()), "COLUMNS": "100"}
        done = subprocess.run(
            ["bash", "-c", SHELL + code], env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{code}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert torch.is_grad_enabled()


def test_the_pages_that_are_run():
    names = {str(page.relative_to(ROOT)) for page in RUN}
    assert {"README.md", "docs/index.md", "docs/steering.md", "docs/your-photos.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_name_verbs_and_recipes_that_exist(page):
    for _, language, code in blocks(page):
        if language not in ("sh", "bash"):
            continue
        for verb in re.findall(r"^(?:srun )?segsr ([a-z]+)", code, re.MULTILINE):
            assert verb in verb_names()
        for recipe in re.findall(r"-c (?:conf/)?(\w+)(?:\.yaml)?(?=\s|$)", code):
            assert (ROOT / "conf" / f"{recipe}.yaml").is_file(), recipe
