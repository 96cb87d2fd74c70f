"""Where recipes are: files of one's own, and those that ship with segsr."""

from __future__ import annotations

from pathlib import Path

from segsr.errors import SegSRError
from segsr.nearest import nearest


def packaged_conf() -> Path:
    """The folder of recipes and groups: `segsr/conf` of a wheel, `conf` of a checkout."""
    installed = Path(__file__).parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "conf"


def find_recipe(file: Path) -> Path:
    """The path of the recipe `file`: of the file itself, or of a packaged one of that name.

    Raises:
        SegSRError: No such file, or another suffix than `.yaml`.
    """
    packaged = packaged_conf()
    if file.is_file():
        if file.suffix != ".yaml":
            raise SegSRError(f"a config file must be named *.yaml, got {file}: rename it")
        return file.resolve()
    name = Path(*file.parts[1:]) if file.parts[0] == "conf" else file
    recipe = packaged / name.with_suffix(".yaml")
    if (len(file.parts) == 1 or file.parts[0] == "conf") and recipe.is_file():
        return recipe
    available = sorted(f"conf/{path.name}" for path in packaged.glob("*.yaml"))
    raise SegSRError(
        f"no config file {file}{nearest(str(file), available)}"
        f" Give a path, or one of the packaged {', '.join(available)}"
    )
