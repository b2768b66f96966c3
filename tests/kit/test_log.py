"""Logs: canaries of every kind of secret go in, and none comes out."""

import io
import json
import logging

import pytest

from ferryman.kit import log

CANARIES = {
    "a bot token in a URL": "http://host/bot123456789:AAcanarycanarycanarycanarycanary/getMe",
    "a bearer header": "Authorization: Bearer canary-canary-canary",
    "a subscription link": "https://shop.example/s/canarycanarycanarycanary",
    "a webhook address": "/hooks/yookassa/canarycanarycanary",
    "a share link": "vless://canary-canary@host:443?security=reality",
    "a database address": "postgresql://user:canarycanary@host/db",
    "a sealed document": "gAAAAABcanarycanarycanarycanarycanarycanarycanarycanary",
}


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    log.configure("json", "debug", stream)
    return stream


@pytest.mark.parametrize("kind", CANARIES)
def test_no_secret_shape_reaches_a_log_line(kind: str, lines: io.StringIO) -> None:
    logger = log.get("test")
    logger.info("event", note=CANARIES[kind], nested={"list": [CANARIES[kind]]})
    logging.getLogger("library").warning("talking about %s", CANARIES[kind])
    assert lines.getvalue().count("\n") == 2
    assert "canary" not in lines.getvalue().lower()


def test_values_under_secret_names_are_hidden_whatever_they_look_like(lines: io.StringIO) -> None:
    log.get("test").info("event", password="canary", api_key="canary", headers={"Set-Cookie": "canary"})
    assert "canary" not in lines.getvalue()


def test_a_traceback_is_redacted_too(lines: io.StringIO) -> None:
    try:
        raise ValueError(CANARIES["a bot token in a URL"])
    except ValueError:
        log.get("test").exception("failed")
    assert "ValueError" in lines.getvalue()
    assert "canary" not in lines.getvalue()


def test_values_taught_at_start_are_hidden_everywhere(lines: io.StringIO) -> None:
    log.redactor.also_hide(["canary-of-the-operator", "short"])
    log.get("test").info("event", note="before canary-of-the-operator after", other="a short note")
    assert "canary" not in lines.getvalue()
    assert "a short note" in lines.getvalue()


def test_ids_bound_to_a_task_ride_on_its_lines(lines: io.StringIO) -> None:
    log.bind(trace="t-1")
    log.get("test").info("event", order="o-1")
    log.unbind_all()
    log.get("test").info("event")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["trace"], first["order"], first["level"]) == ("t-1", "o-1", "info")
    assert "trace" not in second
