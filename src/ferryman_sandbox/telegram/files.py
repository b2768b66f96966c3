"""Uploads: kept whole in the store, known to each bot by its own ids.

A photo gets two sizes like on the real server, small one first, so that a shop which takes the wrong end of the list
sees it here. Both carry the uploaded bytes: nothing is scaled or turned into JPEG.
"""

import base64
import hashlib
import struct
from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import WRONG_FILE, bad
from ferryman_sandbox.telegram.call import Call, Upload
from ferryman_sandbox.telegram.world import Unknown, World

MEGABYTE = 1024 * 1024
PHOTO_LIMIT = 10 * MEGABYTE
UPLOAD_LIMIT = 50 * MEGABYTE
DOWNLOAD_LIMIT = 20 * MEGABYTE
LARGEST_SIDES = 10_000
LARGEST_RATIO = 20
SMALL_SIDE = 90


class Files:
    """Raises ApiError for what the server would not take, and for ids that belong to another bot."""

    def __init__(self, world: World) -> None:
        self._world = world

    def incoming(self, call: Call, name: str, value: str | None = None) -> Upload | Document:
        """The file a field speaks of: new bytes, or the record of an id this bot has seen.

        `value` is the text of the field when it came from inside another one (`media` of editMessageMedia).
        """
        named = call.text(name) if value is None else value
        part = named.removeprefix("attach://") if named.startswith("attach://") else name
        if part in call.uploads and (not named or named.startswith("attach://")):
            return call.uploads[part]
        if not named or named.startswith("attach://"):
            raise bad(f"there is no {name} in the request")
        if named.startswith(("http://", "https://")):
            raise bad("failed to get HTTP URL content")
        return self.record(call.bot_id, named)

    def record(self, bot_id: int, file_id: str) -> Document:
        record = self._world.store.get("file", file_id)
        if record is None or record["bot"] != bot_id:
            raise bad(WRONG_FILE)
        return record

    def shown(self, file_id: str) -> Document:
        """For the chat page, whichever bot sent it. Raises Unknown."""
        record = self._world.store.get("file", file_id)
        if record is None:
            raise Unknown(f"no file {file_id}")
        return record

    def at_path(self, bot_id: int, path: str) -> Document:
        """Raises Unknown when this bot has no file there."""
        pointer = self._world.store.get(f"path:{bot_id}", path)
        if pointer is None:
            raise Unknown(f"no file {path}")
        return self.shown(pointer["file_id"])

    def photo(self, bot_id: int, source: Upload | Document) -> list[dict[str, Any]]:
        """The `photo` member of a message, sizes from small to large."""
        if not isinstance(source, Upload):
            if "sizes" not in source:
                raise bad("can't use file of type Document as Photo")
            return list(source["sizes"])
        width, height = _checked_photo(source)
        scale = max(width, height) / SMALL_SIDE
        sides = [(width, height)]
        if scale > 1:
            sides.insert(0, (max(1, round(width / scale)), max(1, round(height / scale))))
        records = [self._keep(bot_id, source, "photos", width=one, height=other) for one, other in sides]
        sizes = [_public(record, ("width", "height")) for record in records]
        for record in records:
            self._world.store.put("file", record["file_id"], {**record, "sizes": sizes})
        return sizes

    def document(self, bot_id: int, source: Upload | Document) -> dict[str, Any]:
        """The `document` member of a message."""
        if isinstance(source, Upload):
            if not source.content:
                raise bad("file must be non-empty")
            if len(source.content) > UPLOAD_LIMIT:
                raise bad("file is too big")
            source = self._keep(bot_id, source, "documents")
        elif "sizes" in source:
            raise bad("can't use file of type Photo as Document")
        return {**_public(source, ()), "file_name": source["name"], "mime_type": source["mime"]}

    def _keep(self, bot_id: int, upload: Upload, folder: str, **sides: int) -> Document:
        number = self._world.store.next_number("file")
        digest = hashlib.sha256(f"{self._world.seed}:{bot_id}:{number}".encode()).digest()
        kind = "AgACAgIAAxkBAAI" if folder == "photos" else "BQACAgIAAxkBAAI"
        ending = upload.name.rpartition(".")[2].lower() if "." in upload.name else "bin"
        record: Document = {
            "bot": bot_id,
            "file_id": kind + base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "file_unique_id": "AQAD" + base64.urlsafe_b64encode(digest[:9]).decode(),
            "file_size": len(upload.content),
            "file_path": f"{folder}/file_{number}.{ending}",
            "name": upload.name,
            "mime": upload.mime if folder == "documents" else image_type(upload.content),
            "content": base64.b64encode(upload.content).decode(),
            **sides,
        }
        self._world.store.put("file", record["file_id"], record)
        self._world.store.put(f"path:{bot_id}", record["file_path"], {"file_id": record["file_id"]})
        return record


def _public(record: Document, more: tuple[str, ...]) -> dict[str, Any]:
    return {name: record[name] for name in ("file_id", "file_unique_id", *more, "file_size")}


def content(record: Document) -> bytes:
    return base64.b64decode(record["content"])


def image_type(body: bytes) -> str:
    return "image/png" if body.startswith(b"\x89PNG") else "image/jpeg"


def _checked_photo(upload: Upload) -> tuple[int, int]:
    if not upload.content:
        raise bad("file must be non-empty")
    if len(upload.content) > PHOTO_LIMIT:
        raise bad("file is too big for a photo; maximum size is 10485760 bytes")
    width, height = pixels(upload.content)
    if width + height > LARGEST_SIDES or max(width, height) > LARGEST_RATIO * min(width, height):
        raise bad("PHOTO_INVALID_DIMENSIONS")
    return width, height


def pixels(image: bytes) -> tuple[int, int]:
    """Width and height of a PNG (IHDR) or JPEG (start of frame). Raises ApiError for anything else."""
    if image.startswith(b"\x89PNG\r\n\x1a\n") and len(image) >= 24:
        width, height = struct.unpack(">II", image[16:24])
    elif image.startswith(b"\xff\xd8"):
        width, height = _jpeg_pixels(image)
    else:
        width = height = 0
    if min(width, height) == 0:
        raise bad("IMAGE_PROCESS_FAILED")
    return int(width), int(height)


def _jpeg_pixels(image: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(image) and image[at] == 0xFF:
        marker = image[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", image[at + 5 : at + 9])
            return width, height
        at += 2 + int(struct.unpack(">H", image[at + 2 : at + 4])[0])
    return 0, 0
