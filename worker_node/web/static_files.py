"""The page's own files, read once from the package; the address carries a hash, so browsers may keep them for ever."""

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class StaticFiles:
    """Answers `/static/NAME` for the files beside this module and nothing else."""

    def __init__(self) -> None:
        folder = resources.files("worker_node.web") / "static"
        self._files = {
            entry.name: (entry.read_bytes(), _TYPES[suffix])
            for entry in folder.iterdir()
            if (suffix := "." + entry.name.rpartition(".")[2]) in _TYPES
        }

    def address(self, name: str) -> str:
        """The relative address of a file; KeyError for a file that is not there (a fault of ours)."""
        return f"static/{name}?v={hashlib.sha256(self._files[name][0]).hexdigest()[:12]}"

    async def answer(self, request: Request) -> Response:
        """The file named in the path, or 404."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.", 404)
        body, media_type = found
        return Response(body, media_type=media_type, headers={"Cache-Control": "public, max-age=31536000, immutable"})
