"""The models that can be had without a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from segsr.checkpoints.folder import PACKAGED, packaged_models
from segsr.checkpoints.hub import SETTINGS, model_digest, model_files


@dataclass(frozen=True)
class KnownModel:
    """A model at hand.

    Attributes:
        name: What `--model` takes: a packaged name, or `owner/name@revision`.
        revision: The commit, of a hub's model.
        folder: Where it lies.
        size: Bytes of its files.
        sha256: Its digest.
    """

    name: str
    revision: str | None
    folder: Path
    size: int
    sha256: str


def known_models() -> list[KnownModel]:
    """The packaged models, then those in the hub's cache, by name."""
    packaged = [known(name, None, PACKAGED / name) for name in packaged_models()]
    return packaged + sorted(cached_models(), key=lambda model: model.name)


def cached_models() -> Iterator[KnownModel]:
    """Those of the hub's cache that are model folders of segsr's."""
    try:
        found = scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return
    for repository in found.repos:
        for revision in repository.revisions:
            if repository.repo_type == "model" and (revision.snapshot_path / SETTINGS).is_file():
                commit = revision.commit_hash
                name = f"{repository.repo_id}@{min(revision.refs, default=commit)}"
                yield known(name, commit, revision.snapshot_path)


def known(name: str, revision: str | None, folder: Path) -> KnownModel:
    """A model folder, measured."""
    size = sum(path.stat().st_size for path in model_files(folder))
    return KnownModel(name, revision, folder, size, model_digest(folder))
