"""Recipes: found, composed and built with hydra, whose errors become one clear sentence each.

A recipe is a YAML file of constructors and their arguments. Its folder comes first on hydra's
search path, the folder that ships with segsr second, so a recipe of the user's own may draw on the
packaged groups (`model`, `data`, `degradation`, `trainer`, ...) from anywhere.
"""

from segsr.config.constructors import build, check
from segsr.config.content import filled, require, resolved_yaml
from segsr.config.load import load_recipe
from segsr.config.packaged import packaged_conf

__all__ = ["build", "check", "filled", "load_recipe", "packaged_conf", "require", "resolved_yaml"]
