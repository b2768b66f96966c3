"""The pages that payers see: one frame, one manner of acting, a few pieces of HTML; all work without JavaScript."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from ferryman_sandbox.payments.api import Refusal
from ferryman_sandbox.payments.words import Words, language

HERE = Path(__file__).parent
FRAME = Template((HERE / "frame.html").read_text(encoding="utf-8"))
COMMON_STYLE = (HERE / "frame.css").read_text(encoding="utf-8")
CARE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
SYMBOLS = {"RUB": "₽", "EUR": "€", "USD": "$", "UAH": "₴", "KZT": "₸"}

T = TypeVar("T")
Row = tuple[str, str, str, str]
"""An icon, the name of its label among the words, its test id, its text."""


@dataclass(frozen=True)
class Eyes:
    """How the payer sees a page: language, and "light", "dark" or "" for the browser's own wish."""

    lang: str
    theme: str = ""

    @classmethod
    def of(cls, request: web.Request) -> "Eyes":
        theme = request.query.get("theme", "")
        lang = language(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))
        return cls(lang, theme if theme in ("light", "dark") else "")

    def query(self, lang: str = "", **more: str) -> str:
        """The address's parameters that keep it so; `lang` for the other language."""
        wanted = {"lang": lang or self.lang, "theme": self.theme} | more
        return urlencode({name: value for name, value in wanted.items() if value})


@dataclass(frozen=True)
class Frame:
    """What every page of a service has around it. `style` is the file with its own look, served at `style_path`.

    `name` is said at its head, by the word of that name if there is one. `accent` is a CSS colour, "" = the style says
    it. `wide`: the head stands above the sheet, not on it.
    """

    test_id: str
    name: str
    icon: str
    words: Mapping[str, Words]
    style: Path
    style_path: str = "/pay.css"
    accent: str = ""
    wide: bool = False

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get(self.style_path, self._style)

    async def _style(self, _: web.Request) -> web.Response:
        return web.Response(text=COMMON_STYLE + self.style.read_text(encoding="utf-8"), content_type="text/css")

    def page(self, eyes: Eyes, status: str, body: str, *, code: int = 200, head: str = "") -> web.Response:
        say, other = self.words[eyes.lang], "en" if eyes.lang == "ru" else "ru"
        name = escape(say.get(self.name, self.name))
        link = f'<a class="lang" data-testid="language" href="?{escape(eyes.query(other))}">🌐 {other.upper()}</a>'
        top = f'<header><span class="logo">{self.icon}</span><b>{name}</b>{link}</header>'
        sheet = f"{top}\n<main>\n{body}\n</main>" if self.wide else f"<main>\n{top}\n{body}\n</main>"
        text = FRAME.substitute(
            lang=eyes.lang,
            theme=f' data-theme="{eyes.theme}"' if eyes.theme else "",
            head=head,
            title=say.get("title", name),
            icon=self.icon,
            style=self.style_path,
            test_id=self.test_id,
            status=status,
            accent=f' style="--accent: {self.accent}"' if self.accent else "",
            mark=say["mark"],
            body=sheet,
        )
        return web.Response(text=text, status=code, content_type="text/html", headers=CARE)


class PayPage(Generic[T]):
    """`GET /pay/{id}` shows a payment; `POST` acts and sends the browser back to the page, so a reload repeats nothing.

    Acting on a closed payment is answered calmly. A subclass finds, shows, and acts.
    """

    def __init__(self, frame: Frame, path: str = "/pay") -> None:
        self.frame = frame
        self._path = path

    def add_routes(self, app: web.Application) -> None:
        self.frame.add_routes(app)
        app.router.add_get(f"{self._path}/{{id}}", self._show)
        app.router.add_post(f"{self._path}/{{id}}", self._act)

    def find(self, id_: str) -> T:
        """Raises a Refusal when there is none. `id_` is the last part of the page's address."""
        raise NotImplementedError

    def shown(self, payment: T, seen: str, eyes: Eyes) -> web.Response:
        """`seen` is what `act` answered, when the browser comes from there."""
        raise NotImplementedError

    def act(self, payment: T, form: Mapping[str, str]) -> str:
        """Do what the pressed button says; answers a word for `shown`, "" = nothing to tell."""
        raise NotImplementedError

    def missing(self, eyes: Eyes, why: str = "", code: int = 404) -> web.Response:
        page = verdict(self.frame.words[eyes.lang], "missing", "🧭", text=why)
        return self.frame.page(eyes, "missing", page, code=code)

    async def _show(self, request: web.Request) -> web.Response:
        eyes = Eyes.of(request)
        try:
            payment = self.find(request.match_info["id"])
        except Refusal:
            return self.missing(eyes)
        return self.shown(payment, request.query.get("seen", ""), eyes)

    async def _act(self, request: web.Request) -> web.Response:
        form: dict[str, Any] = {name: str(value) for name, value in (await request.post()).items()}
        try:
            payment = self.find(request.match_info["id"])
        except Refusal:
            return await self._show(request)
        seen = self.act(payment, form)
        raise web.HTTPSeeOther(f"{request.path}?{Eyes.of(request).query(seen=seen)}", headers=CARE)


def bill(say: Words, amount: str, rows: Iterable[Row]) -> str:
    """What is to be paid, and for what."""
    lines = [
        f'<dt>{icon} {say[label]}</dt><dd data-testid="{test}">{escape(text) or "—"}</dd>'
        for icon, label, test, text in rows
    ]
    return f"""<section class="bill"><p class="label">{say["to_pay"]}</p>
<p class="amount" data-testid="amount">{escape(amount)}</p><dl>{"".join(lines)}</dl></section>"""


def verdict(say: Words, name: str, sign: str, *, back: str = "", text: str = "", more: str = "") -> str:
    """How it ended; `back` is where the shop wants the payer to be sent."""
    link = ""
    if back.startswith(("http://", "https://")):
        link = f'<a class="pay" data-testid="back" href="{escape(back)}">⛵ {say["back"]}</a>'
    return f"""<section class="verdict {name}" data-testid="verdict-{name}"><div class="sign">{sign}</div>
<h1>{say[f"{name}_title"]}</h1><p>{escape(text) or say[f"{name}_text"]}</p>{link}{more}</section>"""


def again(say: Words, eyes: Eyes) -> str:
    """The way back into the payment for somebody who left it."""
    return f'<a class="quiet" data-testid="continue" href="?{escape(eyes.query())}">↩️ {say["continue"]}</a>'


def form(eyes: Eyes, inside: str) -> str:
    return f'<form method="post" action="?{escape(eyes.query())}" data-testid="pay-form">{inside}</form>'


def pay_button(say: Words, amount: str = "") -> str:
    text = f"{say['pay']} {escape(amount)}".strip()
    return f'<button class="pay" name="action" value="pay" data-testid="pay">🔒 {text}</button>'


def ways_out(say: Words) -> str:
    return f"""<button class="quiet" name="action" value="leave" data-testid="leave">🚪 {say["leave"]}</button>
<p class="sure">{say["sure"]}</p>"""


def refusing(say: Words, reasons: Mapping[str, str]) -> str:
    """The bank's side: `reasons` by their code."""
    options = "".join(f'<option value="{code}">{escape(text)}</option>' for code, text in reasons.items())
    return f"""<details><summary data-testid="refuse">🏦 {say["refuse"]}</summary>
<label>{say["reason"]}<select name="reason" data-testid="reason">{options}</select></label>
<button class="decline" name="action" value="decline" data-testid="decline">✋ {say["decline"]}</button></details>"""
