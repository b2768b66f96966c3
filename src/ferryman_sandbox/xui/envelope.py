"""The panel's answers: one JSON envelope with status 200 for good news and bad, in the reader's language.

Only the words before the bracket are translated; the bracket holds the panel's English error text in every language.
Errors the panel composes itself end with a newline inside the bracket, errors of its database do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

ENGLISH = {
    "success": "Successfully",
    "fail": "Failed",
    "wrong": "Something went wrong",
    "by_email": "The client could not be removed by email",
    "obtain": "Obtain",
    "get": "Get",
    "traffic": "Error getting traffic",
    "client_added": "The client was added.",
    "client_updated": "The client was updated.",
    "client_deleted": "The client was removed.",
    "inbound_added": "The inbound was created.",
    "inbound_updated": "The inbound was updated.",
    "inbound_deleted": "The inbound was removed.",
    "traffic_reset": "The counters were reset.",
    "depleted_deleted": "Clients that ran out were removed.",
    "device_deleted": "The device was removed.",
    "log_cleared": "The log was cleared.",
    "settings_saved": "The settings were saved.",
    "logged_in": "You are logged in.",
    "bad_login": "Wrong user name, password or two-factor code.",
    "bad_form": "The form could not be read.",
    "no_username": "Username is required",
    "no_password": "Password is required",
    "session_over": "Your session is over, log in again.",
    "xray_restarted": "Xray was restarted.",
}

RUSSIAN = {
    "success": "Успешно",
    "fail": "Неудачно",
    "wrong": "Что-то пошло не так",
    "by_email": "The client could not be removed by email",
    "obtain": "Получение",
    "get": "Получение",
    "traffic": "Ошибка получения трафика",
    "client_added": "Клиент добавлен.",
    "client_updated": "Клиент изменён.",
    "client_deleted": "Клиент удалён.",
    "inbound_added": "Подключение создано.",
    "inbound_updated": "Подключение изменено.",
    "inbound_deleted": "Подключение удалено.",
    "traffic_reset": "Счётчики сброшены.",
    "depleted_deleted": "Исчерпанные клиенты удалены.",
    "device_deleted": "Устройство удалено.",
    "log_cleared": "Журнал очищен.",
    "settings_saved": "Настройки сохранены.",
    "logged_in": "Вы вошли.",
    "bad_login": "Неверное имя, пароль или код.",
    "bad_form": "Форму не удалось прочитать.",
    "no_username": "Введите имя",
    "no_password": "Введите пароль",
    "session_over": "Сеанс завершён, войдите снова.",
    "xray_restarted": "Xray перезапущен.",
}


class Refusal(Exception):
    """The panel says no: HTTP 200, success false, `text` inside the bracket.

    `blame` replaces the route's own word before the bracket (None = the route's).
    """

    def __init__(self, text: str, *, obj: Any = None, blame: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.obj = obj
        self.blame = blame


class InvalidBody(Refusal):
    """The body failed validation; the envelope lists the issues and has no bracket."""


class Crash(Exception):
    """The panel's handler broke down: an empty 500."""


def refuse(*words: str) -> Refusal:
    """An error the panel composed itself: words joined by spaces, and the newline it never trims."""
    return Refusal(" ".join(words) + "\n")


def record_not_found() -> Refusal:
    return Refusal("record not found")


@dataclass
class Reply:
    """What a handler answers. With `raw` set, that body is sent as it is; otherwise `obj` goes into the envelope.

    `obj_text` is an `obj` that is JSON already; it comes without a word.
    """

    obj: Any = None
    word: str = ""
    success: bool = True
    bare: Any = None
    raw: bytes | None = None
    obj_text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: SimpleCookie = field(default_factory=SimpleCookie)


def nothing(status: int, **headers: str) -> Reply:
    """An empty body."""
    return Reply(raw=b"", status=status, headers=headers)


def language(cookie: str, accept: str, forced: str) -> str:
    """The messages' language, "ru" or "en": the `lang` cookie wins over Accept-Language, the switch over both."""
    wanted = forced or cookie or accept
    return "ru" if wanted.strip().lower().startswith("ru") else "en"


def phrase(word: str, lang: str) -> str:
    return "" if not word else (RUSSIAN if lang == "ru" else ENGLISH)[word]


def envelope(reply: Reply, lang: str, *, brackets: bool = True) -> dict[str, Any]:
    """`brackets`: how the version writes (see `Rules.brackets_errors`)."""
    words = phrase(reply.word, lang)
    if words and reply.success and not brackets:
        words = f"{words} {phrase('success', lang)}"
    return {"success": reply.success, "msg": words, "obj": reply.obj}


def refusal_envelope(refusal: Refusal, blame: str, lang: str, *, brackets: bool = True) -> dict[str, Any]:
    if isinstance(refusal, InvalidBody):
        return {"success": False, "msg": refusal.text, "obj": refusal.obj}
    words = phrase(blame if refusal.blame is None else refusal.blame, lang)
    message = f"{words} ({refusal.text})" if brackets else f"{words} {phrase('fail', lang)}: {refusal.text}"
    return {"success": False, "msg": message, "obj": None}
