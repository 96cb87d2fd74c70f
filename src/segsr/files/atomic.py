"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from segsr.errors import SegSRError


def write_atomic(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename: whoever looks sees the old file or the whole new one.

    Missing folders are made. A part left by a kill has a hidden name of its own and is never read.

    Raises:
        SegSRError: If the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise SegSRError(
            f"{path}: cannot be written ({error.strerror or error}). Check that the folder exists, "
            "is writable and has room."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file as `write_atomic` does."""
    write_atomic(path, text.encode())
