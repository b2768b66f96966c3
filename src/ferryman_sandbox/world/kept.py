"""What a world remembers between two starts: its ports, its made-up secrets, and that it is running."""

import fcntl
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ferryman_sandbox.ports import HeldPort
from ferryman_sandbox.store import Store
from ferryman_sandbox.world.wreck import WorldError

Json = dict[str, Any]


class Kept:
    """The world's own folder. Raises WorldError when another world runs in it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = _lock(folder / "world.lock")
        self.store = Store(folder / "world.sqlite")
        self._open: list[Store] = [self.store]
        self._ports: dict[str, HeldPort] = {}

    def emulator_store(self, name: str) -> Store:
        store = Store(self.folder / f"{name}.sqlite")
        self._open.append(store)
        return store

    def port(self, name: str) -> int:
        """The port of one server: the same at every start, unless somebody else has taken it meanwhile.

        It stays held, for the product comes back to its own after every kill.
        """
        if name not in self._ports:
            kept = self.store.get("port", name)
            self._ports[name] = held = _hold(kept["port"] if kept is not None else 0)
            self.store.put("port", name, {"port": held.number})
        return self._ports[name].number

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
        kept = self.store.get("secret", name)
        if kept is None:
            kept = {"value": make()}
            self.store.put("secret", name, kept)
        return str(kept["value"])

    def announce(self, addresses: Json) -> None:
        """Let other processes of this user find the running world."""
        path = self.folder / "world.json"
        path.write_text(json.dumps(addresses, indent=2), encoding="utf-8")
        path.chmod(0o600)

    def close(self) -> None:
        (self.folder / "world.json").unlink(missing_ok=True)
        for store in self._open:
            store.close()
        for port in self._ports.values():
            port.let_go()
        self._lock.close()


def running(folder: Path) -> Json | None:
    """The addresses of the world that runs in this folder now, None when there is none."""
    try:
        _lock(folder / "world.lock").close()
    except WorldError:
        try:
            addresses: Json = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WorldError(f"the world in {folder} is still starting; try again in a moment") from error
        return addresses
    except FileNotFoundError:
        return None
    return None


def _lock(path: Path) -> IO[str]:
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise WorldError(
            f"a world already runs in {path.parent} (process {holder}); stop it or give another folder: --data DIR"
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _hold(port: int) -> HeldPort:
    try:
        return HeldPort(port)
    except OSError:
        return HeldPort()
