"""Models that travel: to a hub and back, whole, named by a revision and checked by their digests.

The address is `HF_ENDPOINT` (a mirror) or the hub's own, read at every call; `HF_HUB_OFFLINE=1`
keeps to what is cached. What is pushed carries `SHA256SUMS`, in the format of `sha256sum -c`; what
comes back is compared with it, and a file that has no line there with the digest under which the
hub keeps it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, snapshot_download

from segsr.checkpoints.state_dict import first_line
from segsr.errors import SegSRError

SUMS = "SHA256SUMS"
CARD = "README.md"
SETTINGS = "segsr.json"
MODEL_FILES = (SETTINGS, "*/config.json", "*/scheduler_config.json", "*/*.safetensors")
"""All that a model folder may consist of."""
_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Pushed:
    """Where a model went.

    Attributes:
        name: Its hub id.
        revision: The commit that holds it.
        sha256: Digest of its `SHA256SUMS`: of the whole model.
        url: Where it is looked at.
    """

    name: str
    revision: str
    sha256: str
    url: str


def split_id(name: str) -> tuple[str, str | None] | None:
    """A hub id `owner/name` or `owner/name@revision` in its parts; None of anything else."""
    found = _ID.fullmatch(name)
    return (found[1], found[2]) if found else None


def endpoint() -> str | None:
    """The mirror that `HF_ENDPOINT` names now; None is the hub's own address."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def download(name: str, revision: str | None = None, sha256: str | None = None) -> Path:
    """The local folder of a hub's model: what is cached is not fetched again, a cut one goes on.

    Args:
        name: `owner/name`.
        revision: Branch, tag or commit; the main branch if None.
        sha256: Digest that the model's `SHA256SUMS` must have.

    Raises:
        SegSRError: If it cannot be had, or is not what its digests say.
    """
    patterns = [*MODEL_FILES, SUMS]
    try:
        folder = Path(
            snapshot_download(name, revision=revision, allow_patterns=patterns, endpoint=endpoint())
        )
    except Exception as error:  # the hub's, and those of whatever carries its requests
        at = f" at revision {revision}" if revision else ""
        raise SegSRError(
            f"model {name!r}{at} is no folder, is not cached, and could not be downloaded"
            f" ({first_line(error)}): check the name, the network and HF_ENDPOINT, or give a"
            " folder."
        ) from error
    verify(folder, name)
    if sha256 is not None and (found := model_digest(folder)) != sha256.lower():
        raise SegSRError(
            f"model {name!r} has the digest {found}, but must have {sha256}: it is another model or"
            " another revision; give the one that was meant, or its digest."
        )
    return folder


@cache
def verify(folder: Path, name: str) -> None:
    """Compare every file of a hub's snapshot with its digest, once in a process.

    Raises:
        SegSRError: If one differs.
    """
    sums = read_sums(folder)
    for path in model_files(folder):
        file = path.relative_to(folder).as_posix()
        expected = sums.get(file)
        if expected is None and _DIGEST.fullmatch(
            kept_as := os.path.realpath(path).split(os.sep)[-1]
        ):
            expected = kept_as
        if expected is not None and file_digest(path) != expected:
            raise SegSRError(
                f"{file} of {name!r} is not the file that was pushed (its sha256 is not"
                f" {expected}): remove {Path(os.path.realpath(path))} and get it anew, from the hub"
                " itself if it came from a mirror."
            )
    lacking = [file for file in sums if not (folder / file).is_file()]
    if lacking:
        raise SegSRError(
            f"{lacking[0]} of {name!r} is missing, though {SUMS} names it: get the model anew, or"
            " another revision."
        )


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that are part of the model, by name."""
    return sorted(path for pattern in MODEL_FILES for path in folder.glob(pattern))


def file_digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sums_text(digests: Mapping[str, str]) -> str:
    """`SHA256SUMS`: a line for each file."""
    return "".join(f"{digest}  {file}\n" for file, digest in sorted(digests.items()))


def read_sums(folder: Path) -> dict[str, str]:
    """The digests by file that a folder's `SHA256SUMS` names; none where there is none.

    Raises:
        SegSRError: If it is damaged.
    """
    path = folder / SUMS
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, file = line.partition("  ")
        if not _DIGEST.fullmatch(digest) or not file:
            raise SegSRError(f"{path} is damaged, in the line {line[:40]!r}: get the model anew.")
        found[file] = digest
    return found


def model_digest(folder: Path) -> str:
    """The digest of a whole model: of its `SHA256SUMS`, whether that lies there or not."""
    if (folder / SUMS).is_file():
        return file_digest(folder / SUMS)
    digests = {
        path.relative_to(folder).as_posix(): file_digest(path) for path in model_files(folder)
    }
    return hashlib.sha256(sums_text(digests).encode()).hexdigest()


def push(
    folder: Path,
    name: str,
    card: str,
    *,
    revision: str | None = None,
    private: bool = False,
    message: str = "Model folder of segsr",
) -> Pushed:
    """Put a model folder on the hub as one commit; what is there already is not sent again.

    The repository is made if missing. Weights of an earlier model that this one lacks leave it.

    Args:
        folder: The model folder; files that are no part of a model stay behind.
        name: `owner/name`.
        card: The model card, Markdown.
        revision: The branch to commit to, made if missing; the main branch if None.
        private: Whether a repository that is made is private.
        message: Of the commit.

    Raises:
        SegSRError: If the hub refuses, or cannot be reached.
    """
    files = {path.relative_to(folder).as_posix(): path for path in model_files(folder)}
    sums = sums_text({file: file_digest(path) for file, path in files.items()})
    added = [CommitOperationAdd(file, path) for file, path in files.items()]
    added += [CommitOperationAdd(SUMS, sums.encode()), CommitOperationAdd(CARD, card.encode())]
    api = HfApi(endpoint=endpoint(), library_name="segsr")
    try:
        api.create_repo(name, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(name, branch=revision, exist_ok=True)
        old = [
            CommitOperationDelete(file)
            for file in api.list_repo_files(name, revision=revision)
            if file not in files and Path(file).match("*/*.safetensors")
        ]
        commit = api.create_commit(name, [*added, *old], commit_message=message, revision=revision)
    except Exception as error:  # the hub's, and those of whatever carries its requests
        raise SegSRError(
            f"{folder} could not be pushed to {name!r} ({first_line(error)}): check the name, the"
            " network and that you may write there (`hf auth login`, or HF_TOKEN); push again to go"
            " on."
        ) from error
    digest = hashlib.sha256(sums.encode()).hexdigest()
    return Pushed(name, commit.oid, digest, f"{api.endpoint}/{name}")
