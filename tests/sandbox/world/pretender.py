"""A stand-in for the product with its command line and HTTP face: `pretender.py apply FILE`, `pretender.py run`.

Misbehaves as the file `mood` beside its data directory says: `apply fails`, `dies at once`. Standard library only: it
is started in nearly every test, and an import of half a second would be felt.
"""

import base64
import hmac
import json
import os
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EMPTY = {
    "orders": [], "payments": [], "inbox": [], "keys": [], "subscriptions": [], "notices": [], "nodes": [],
    "ledger": {"balance": {"RUB": 0}, "accounts": []},
    "numbers": {
        "paid": 0, "granted": 0, "lost": 0, "double": 0, "money_without_key": 0, "oldest_stuck_seconds": None,
        "ledger_balance": 0,
    },
}  # fmt: skip


def main() -> None:
    folder = Path(os.environ["FERRYMAN_DATA_DIR"])
    folder.mkdir(exist_ok=True)
    mood = (folder.parent / "mood").read_text() if (folder.parent / "mood").exists() else ""
    match sys.argv[1:]:
        case ["apply", path]:
            if mood == "apply fails":
                sys.stderr.write("the panel refused the token\n")
                sys.exit(3)
            (folder / "applied.json").write_text(json.dumps(tomllib.loads(Path(path).read_text(encoding="utf-8"))))
        case ["run"]:
            if mood == "dies at once":
                sys.stderr.write("no database here\n")
                sys.exit(4)
            (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
            ThreadingHTTPServer(("127.0.0.1", int(os.environ["FERRYMAN_PORT"])), Face).serve_forever()


class Face(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/readyz":
            self._answer(200, {"ready": True})
        elif self.path == "/api/overview":
            welcome = self.headers["Authorization"] == f"Bearer {os.environ['FERRYMAN_OPERATOR_TOKEN']}"
            self._answer(200 if welcome else 401, EMPTY)
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        about = b"ferryman webhooks of yookassa"
        key = hmac.digest(os.environ["FERRYMAN_HOOK_SECRET"].encode(), about, "sha256")[:24]
        wanted = f"/hooks/yookassa/{base64.urlsafe_b64encode(key).decode()}"
        self._answer(200 if self.path == wanted else 404, {})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass

    def _answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


if __name__ == "__main__":
    main()
