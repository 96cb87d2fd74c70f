"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segsr.errors import SegSRError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to, which takes the place of `path` at the end.

    So whoever looks sees the old file or the whole new one. Missing folders are made. A part left
    by a kill has a name of its own and is never read.

    Raises:
        SegSRError: If the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise cannot_write(path, error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file as a `whole` one.

    Raises:
        SegSRError: If the file cannot be written.
    """
    with whole(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file as `write_atomic` does."""
    write_atomic(path, text.encode())


def cannot_write(path: Path, reason: str) -> SegSRError:
    """The sentence on a file that cannot be written."""
    return SegSRError(
        f"{path}: cannot be written ({reason}). Check that the folder exists, is writable and has"
        " room."
    )
