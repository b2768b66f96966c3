"""Secrets at rest (Fernet with rotation), random tokens, and comparison in constant time."""

import base64
import contextlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ferryman.kit.errors import Misconfigured

DERIVED_BYTES = 24


class Vault:
    """Seals and opens small JSON documents. The first key seals; all keys open, so a new one can be put in front."""

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise Misconfigured(
                "A secret key is not a Fernet key (32 bytes, URL-safe base64).",
                "Make one with `ferryman new-key` and put it into FERRYMAN_SECRET_KEYS.",
            ) from error

    def seal(self, document: dict[str, Any]) -> bytes:
        return self._fernet.encrypt(json.dumps(document, ensure_ascii=False).encode())

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Raises Misconfigured when none of the keys fits."""
        try:
            document: dict[str, Any] = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken as error:
            raise Misconfigured(
                "A stored secret cannot be opened with the configured keys.",
                "Put the key it was sealed with back into FERRYMAN_SECRET_KEYS.",
            ) from error
        return document


def new_key() -> str:
    return Fernet.generate_key().decode()


def key_from_file(path: Path) -> str:
    """The key kept in a file that only its owner may read; made on first use.

    Raises Misconfigured when the file cannot be made or read.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _put_whole(path, new_key())
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise Misconfigured(
            f"The secret key cannot be kept in {path} ({error.strerror}).",
            "Set FERRYMAN_DATA_DIR to a folder that may be written to, or FERRYMAN_SECRET_KEYS.",
        ) from error


def _put_whole(path: Path, text: str) -> None:
    # Several processes may start for the first time at one moment: none may read a file that another has just begun.
    handle, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def new_token(bytes_: int = 18) -> str:
    """URL-safe and unguessable; 18 bytes give 24 characters and 144 bits, less than a tenth of one for the beginning.

    It begins with a letter or a digit: people write refs on the command line, where a hyphen begins an option.
    """
    while not (token := secrets.token_urlsafe(bytes_))[0].isalnum():
        pass
    return token


def derived(root: str, about: str) -> str:
    """A secret of 192 bits for one purpose, URL-safe: whoever knows it knows neither `root` nor any other."""
    # A name out of an address may be no proper text at all.
    digest = hmac.digest(root.encode(), about.encode(errors="surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest[:DERIVED_BYTES]).decode()


def same(left: str | bytes, right: str | bytes) -> bool:
    """Whether two secrets are equal, in time that does not depend on where they differ."""
    return hmac.compare_digest(_bytes(left), _bytes(right))


def _bytes(text: str | bytes) -> bytes:
    return text.encode(errors="surrogatepass") if isinstance(text, str) else text
