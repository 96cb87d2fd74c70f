"""A stand-in for the hub's HTTP interface: repositories of commits in memory, faults on order."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest


@dataclass
class Hub:
    """What the server holds, what it was asked and what it does wrong.

    Attributes:
        branches: By repository the commit of each branch.
        commits: By commit the files.
        blobs: Contents sent as large files, by sha256.
        asked: Method, path and range of each request.
        cut: By file how many bytes of an answer are sent before the connection breaks.
        forged: Files that are sent with another first byte.
        closed: Whether every request fails with 503.
    """

    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    forged: set[str] = field(default_factory=set)
    closed: bool = False
    address: str = ""

    def commit(self, repository: str, branch: str, files: dict[str, bytes]) -> str:
        text = json.dumps([repository, sorted((k, digest(v)) for k, v in files.items())])
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = files
        self.branches[repository][branch] = commit
        return commit

    def find(self, repository: str, revision: str) -> str | None:
        found = self.branches.get(repository, {}).get(revision, revision)
        return found if found in self.commits else None


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self.chunks()
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range")))
        if self.hub.closed:
            return self.send(503, {"error": "closed"})
        parts = path.strip("/").split("/")
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.send(200, {"errors": [], "warnings": []})
        if parts[0] == "lfs":
            self.hub.blobs[parts[1]] = body
            return self.send(200 if digest(body) == parts[1] else 422, {})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.batch(json.loads(body))
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            return self.model("/".join(parts[2:4]), parts[4:], body)
        if len(parts) > 4 and parts[2] == "resolve":
            return self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        return self.send(404, {"error": f"nothing at {path}"})

    def chunks(self) -> bytes:
        body = b""
        while "chunked" in self.headers.get("Transfer-Encoding", ""):
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                break
        return body

    def create(self, wish: dict):
        name = f"{wish.get('organization') or 'owner'}/{wish['name']}"
        new = name not in self.hub.branches
        if new:
            self.hub.branches[name] = {}
            self.hub.commit(name, "main", {".gitattributes": b""})
        self.send(200 if new else 409, {"url": f"{self.hub.address}/{name}", "name": name})

    def batch(self, wish: dict):
        objects = []
        for each in wish["objects"]:
            known = each["oid"] in self.hub.blobs
            action = {"upload": {"href": f"{self.hub.address}/lfs/{each['oid']}"}}
            objects.append({**each, **({} if known else {"actions": action})})
        self.send(200, {"transfer": "basic", "objects": objects})

    def model(self, name: str, rest: list[str], body: bytes):
        if name not in self.hub.branches:
            return self.send(404, {"error": "no repository"}, {"X-Error-Code": "RepoNotFound"})
        verb, revision = (*rest, "revision", "main")[:2] if rest else ("revision", "main")
        if verb == "branch":
            known = self.hub.branches[name]
            new = known.setdefault(revision, known["main"]) is known["main"]
            return self.send(200 if new else 409, {})
        commit = self.hub.find(name, revision)
        if commit is None:
            return self.send(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
        files = self.hub.commits[commit]
        if verb == "revision":
            siblings = [{"rfilename": file} for file in files]
            return self.send(200, {"id": name, "sha": commit, "siblings": siblings})
        if verb == "tree":
            return self.send(200, [self.entry(*item) for item in files.items()])
        if verb == "preupload":
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self.send(200, {"files": modes})
        assert verb == "commit", verb
        files = dict(files)
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = self.hub.commit(name, revision, files)
        url = f"{self.hub.address}/{name}/commit/{commit}"
        return self.send(200, {"commitUrl": url, "commitOid": commit})

    def entry(self, file: str, content: bytes) -> dict:
        found = {"type": "file", "path": file, "size": len(content), "oid": "0" * 40}
        if file.endswith(".safetensors"):
            found["lfs"] = {"oid": digest(content), "size": len(content), "pointerSize": 100}
        return found

    def file(self, name: str, revision: str, file: str):
        commit = self.hub.find(name, revision)
        content = self.hub.commits.get(commit or "", {}).get(file)
        if content is None:
            return self.send(404, {"error": "no file"}, {"X-Error-Code": "EntryNotFound"})
        large = file.endswith(".safetensors")
        tag = digest(content) if large else hashlib.sha1(content).hexdigest()
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if file in self.hub.forged:
            content = bytes([content[0] ^ 1]) + content[1:]
        begin = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self.send(206 if begin else 200, content[begin:], headers, self.hub.cut.get(file))

    def send(self, status: int, content, headers: dict | None = None, most: int | None = None):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(data if most is None else data[:most])
        if most is not None:
            self.wfile.flush()
            self.close_connection = True


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub on this machine, an empty cache, and a token that opens it."""
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": Hub()}))
    served = server.RequestHandlerClass.hub
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", served.address)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_tests")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield served
    server.shutdown()
    server.server_close()
    thread.join()
