"""Visitors and their files: each sees its own alone, and none of them for longer than an hour."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from segsr.app.limits import Limits
from segsr.app.settings import Settings
from segsr.errors import SegSRError

_KEY = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Kept:
    """A file that its visitor may fetch.

    Attributes:
        path: Where it lies.
        name: What it is called when it is saved.
        media: Its media type.
    """

    path: Path
    name: str
    media: str


@dataclass
class Visit:
    """One photograph of a visitor, and all that was made of it.

    Attributes:
        visitor: The visitor's key.
        token: Names the visit.
        folder: Of its files.
        made: When it began.
        name: What the visitor calls the photograph.
        size: Its height and width.
        before: Address of what a browser can show of it.
        restorations: So many folders of results there are.
        plain: Settings and folder of the last restoration with nothing painted.
        files: By what the visitor asks for them with.
    """

    visitor: str
    token: str
    folder: Path
    made: float
    name: str = ""
    size: tuple[int, int] = (0, 0)
    before: str = ""
    restorations: int = 0
    plain: tuple[Settings, Path] | None = None
    files: dict[str, Kept] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """The file that was uploaded."""
        return self.folder / "upload"

    def keep(self, path: Path, name: str, media: str = "image/png") -> str:
        """Return the address of a file of this visit, relative to the page."""
        token = secrets.token_urlsafe(24)
        self.files[token] = Kept(path, name, media)
        return f"files/{token}"


class Visitors:
    """All visits of a server.

    Args:
        root: Folder of their files; what is in it is deleted in time.
        limits: For how long and how many.
    """

    def __init__(self, root: Path, limits: Limits) -> None:
        self.root = root
        self.limits = limits
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len({visit.visitor for visit in list(self._visits.values())})

    def bytes(self) -> int:
        """Return the bytes of all visitors' files."""
        return size_of(self.root)

    def begin(self, visitor: str) -> Visit:
        """Return a new visit with an empty folder; the visitor's oldest may have to go for it.

        Raises:
            SegSRError: If there is no room on the disk.
        """
        self.sweep()
        with self._lock:
            if size_of(self.root) > self.limits.disk:
                raise SegSRError("there is no room for more photographs: try again in an hour")
            own = [visit for visit in self._visits.values() if visit.visitor == visitor]
            for visit in own[: max(0, len(own) - self.limits.photos + 1)]:
                self._forget(visit)
            token = secrets.token_urlsafe(24)
            folder = self.root / token
            folder.mkdir()
            visit = self._visits[token] = Visit(visitor, token, folder, time.time())
        return visit

    def find(self, visitor: str | None, token: str) -> Visit | None:
        """Return the visit, if it is the visitor's own and has not ended."""
        visit = self._visits.get(token)
        if visit is None or visit.visitor != visitor or self._is_over(visit):
            return None
        return visit

    def file(self, visitor: str | None, token: str) -> Kept | None:
        """Return the file, if it belongs to a visit of the visitor's own that has not ended."""
        for visit in list(self._visits.values()):
            if token in visit.files and self.find(visitor, visit.token):
                return visit.files[token]
        return None

    def end(self, visit: Visit) -> None:
        """Delete what was made."""
        with self._lock:
            self._forget(visit)

    def sweep(self) -> None:
        """Delete what is older than it may be."""
        with self._lock:
            for visit in [each for each in self._visits.values() if self._is_over(each)]:
                self._forget(visit)

    def _is_over(self, visit: Visit) -> bool:
        return time.time() - visit.made > self.limits.keep

    def _forget(self, visit: Visit) -> None:
        self._visits.pop(visit.token, None)
        shutil.rmtree(visit.folder, ignore_errors=True)


def new_visitor() -> str:
    """Return a key that nobody guesses."""
    return secrets.token_urlsafe(32)


def is_key(text: str | None) -> bool:
    """Return whether `text` looks like what `new_visitor` returns."""
    return text is not None and _KEY.fullmatch(text) is not None


def size_of(folder: Path) -> int:
    """Return the bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
