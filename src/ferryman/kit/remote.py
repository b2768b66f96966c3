"""What every client of somebody's HTTP API needs: a safe address, exact numbers, and what an answer means for us."""

import ipaddress
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, SecretStr

from ferryman.kit import log
from ferryman.kit.errors import (
    AccessDenied,
    Busy,
    FerrymanError,
    Misconfigured,
    NotFound,
    Refused,
    Retry,
    Unreachable,
)
from ferryman.kit.money import Money

LONGEST_WAIT = 3600.0
UNKNOWN_STATUS = "unknown status"
LONGEST_ADDRESS = 2048
LONGEST_ID = 120
# What services call the id of a line in a list.
_ID_NAMES = ("id", "uuid", "invoice_id", "fk_order_id")

_log = log.get("remote")
_Read = TypeVar("_Read")
_COINS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def is_loopback(host: str) -> bool:
    """Whether a host name or an address (IPv6 without brackets) is this machine's own."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def safe_base(value: str) -> str:
    """The address under which an API answers, without a slash at its end.

    Raises ValueError unless it is https://, or http:// on this machine, with a host and perhaps a path, and no more.
    """
    parts, port = _taken_apart(value)
    extras = parts.query or parts.fragment or parts.username is not None or parts.password is not None
    if not value.isascii() or not value.isprintable() or " " in value:
        extras = "a character that no address has"
    if parts.scheme not in ("https", "http") or not parts.hostname or extras or value.endswith(("?", "#")):
        raise ValueError("must be an address such as https://api.example.com/v3, without a login, ? or #")
    if port == 0:
        raise ValueError("must have a port from 1 to 65535, or none")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must start with https://: secrets go there")
    return value.rstrip("/")


def _taken_apart(value: str) -> tuple[SplitResult, int | None]:
    """With its port. The library's own words of what is wrong would repeat what may be a password."""
    try:
        parts = urlsplit(value)
        return parts, parts.port
    except ValueError:
        what = "its port a number up to 65535, an IPv6 address in [brackets]"
        raise ValueError(f"must be an address such as https://api.example.com/v3, {what}") from None


ApiBase = Annotated[str, AfterValidator(safe_base)]
"""The type of a settings field that holds such an address."""


def _fits_a_header(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be as the service gave it: letters, digits and signs, without spaces or line breaks")
    return secret


HeaderSecret = Annotated[SecretStr, AfterValidator(_fits_a_header)]
"""The type of a settings field that holds a token or a key: it can be sent in a header as it is."""


def refuse_play(title: str, api_base: str, real_base: str, *, sandbox: bool, play_money: bool) -> None:
    """Outside the sandbox: raises Misconfigured for an address of this machine, and for an account of play money.

    `title` names the service as in "Acme's api_base".
    """
    if sandbox:
        return
    if is_loopback(urlsplit(api_base).hostname or ""):
        raise Misconfigured(
            f"{title}'s api_base points at this machine, which only an emulator does.",
            f"Set api_base to {real_base}, or start with FERRYMAN_ENV=sandbox.",
        )
    if play_money:
        raise Misconfigured(
            f"{title}'s account takes play money, and what is sold for it is real.",
            "Use the live account's address and key, or start with FERRYMAN_ENV=sandbox.",
        )


class Tries:
    """What this process has begun to create at services that have no idempotency key; the newest are remembered.

    A provider is made anew for each use, so the memory belongs to its class. Another process knows nothing of it.
    """

    def __init__(self, remembered: int = 10_000) -> None:
        self._remembered = remembered
        self._begun: dict[str, None] = {}
        self._under_way: set[str] = set()

    @contextmanager
    def one(self, key: str) -> Iterator[bool]:
        """Whether this is the first try; raises Busy while another one is under way (a button pressed twice)."""
        if key in self._under_way:
            raise Busy("The same is being asked for at this moment.", after=1.0)
        first = key not in self._begun
        self._begun[key] = None
        if len(self._begun) > self._remembered:
            del self._begun[next(iter(self._begun))]
        self._under_way.add(key)
        try:
            yield first
        finally:
            self._under_way.discard(key)


def document(body: bytes | str) -> dict[str, Any]:
    """The JSON object in it. A number with a fraction or an exponent comes as the text that was written, never a float.
    What no database keeps, the character 0 and halves of surrogate pairs, comes as U+FFFD.

    Raises ValueError for anything else, NaN and nesting deeper than Python's parser goes included.
    """
    text = body if isinstance(body, str) else body.decode(json.detect_encoding(body))
    try:
        found = json.loads(text, parse_float=str, parse_constant=_not_json)
        found = _storable(found) if _ESCAPED.search(text) else found
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def form(text: str) -> dict[str, str]:
    """The fields of a form, 64 at most. Raises ValueError also when one comes twice: which of the two was signed is
    anybody's guess."""
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=64)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field twice")
    return fields


def _storable(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_storable(name): _storable(item) for name, item in value.items()}
        case list():
            return [_storable(item) for item in value]
    return value


def _not_json(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def money(amount: Any, currency: Any) -> Money:
    """A sum as `document` gives it: text or a whole number, and a currency code. Raises ValueError when it is none."""
    if isinstance(amount, bool) or not isinstance(amount, (str, int)) or not isinstance(currency, str):
        raise ValueError("not an amount and a currency")
    return Money.parse(str(amount), currency)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from Retry-After, an hour at most; None when there is none, or a date (RFC 9110 allows both)."""
    given = headers.get("Retry-After", "").strip()
    if not given.isascii() or not given.isdecimal() or len(given) > 12:
        return None
    return min(float(given), LONGEST_WAIT)


def problem(status: int, said: str, *, changes: bool, after: float | None = None) -> FerrymanError:
    """What an answer that is not a usable success means for the caller, to be raised.

    `said` is a sentence without its full stop. `changes`: the call may have had an effect all the same, so a 5xx, or a
    2xx that cannot be read, is Unreachable and not Busy.
    """
    match status:
        case 401 | 403:
            return AccessDenied(f"{said}. Check the credentials in its settings.")
        case 404:
            return NotFound(f"{said}.")
        case 408 | 425 | 429:
            return Busy(f"{said}.", after)
        case _ if status >= 500 or status < 400:
            return (Unreachable if changes else Busy)(f"{said}; no usable answer.", after)
    return Refused(f"{said}.")


def matching(given: Any, shape: re.Pattern[str]) -> str | None:
    """Text, or a whole number as text, that is of this shape as a whole; None for anything else."""
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    return text if isinstance(text, str) and shape.fullmatch(text) else None


def coins(given: Any) -> Decimal:
    """An amount of some coin, of which there are too many to know their smallest parts; 0 for what is none."""
    return Decimal(matching(given, _COINS) or 0)


def worth_of(coins_paid: Decimal, coins_asked: Decimal, price: Money) -> Money:
    """What some of the coins that a price was asked in are of that price, rounded down; never more than all of it."""
    if coins_asked <= 0:
        return Money(0, price.currency)
    share = Fraction(coins_paid) / Fraction(coins_asked)
    return Money(min(max(int(price.minor * share), 0), price.minor), price.currency)


def unknown_status(said: object) -> str:
    """A sentence for a status that is none of those we know; whoever looks for such knows them by UNKNOWN_STATUS."""
    return f"{UNKNOWN_STATUS} {str(said)[:40]}"


def page_address(given: Any) -> str:
    """An address to send a payer to; "" for what is none, or would be shown as another than it is."""
    if not isinstance(given, str) or not given.startswith(("https://", "http://")) or len(given) > LONGEST_ADDRESS:
        return ""
    if not given.isascii() or not given.isprintable() or " " in given:
        return ""
    try:
        parts, _ = _taken_apart(given)
    except ValueError:
        return ""
    return given if parts.hostname and "@" not in parts.netloc else ""


@dataclass(frozen=True)
class Unread:
    """A line of a list that could not be read. `id` is what stands there as its id, "" for none."""

    id: str
    why: str


_unread: ContextVar[list[Unread] | None] = ContextVar("unread lines", default=None)


@contextmanager
def counting_unread() -> Iterator[list[Unread]]:
    """While this lasts, lines that cannot be read are put into the list that it gives, as well as into the log."""
    found: list[Unread] = []
    before = _unread.set(found)
    try:
        yield found
    finally:
        _unread.reset(before)


def line_of(title: str, read: Callable[[dict[str, Any]], _Read], line: dict[str, Any]) -> _Read | None:
    """One line of a list, by a reader that calls nobody; None when it cannot be read: it must not hide the others."""
    try:
        return read(line)
    except Retry as error:
        _not_read(title, line, error)
        return None


async def line_asked(title: str, read: Awaitable[_Read], line: dict[str, Any]) -> _Read | None:
    """As `line_of`, for what is read with more questions. One that the service is too busy for ends the list."""
    try:
        return await read
    except (Unreachable, NotFound) as error:
        _not_read(title, line, error)
        return None


def _not_read(title: str, line: dict[str, Any], error: FerrymanError) -> None:
    shown = next((str(line[name]) for name in _ID_NAMES if isinstance(line.get(name), (str, int))), "")[:LONGEST_ID]
    _log.warning("line_not_read", service=title, line=shown, why=str(error))
    found = _unread.get()
    if found is not None:
        found.append(Unread(shown, str(error)))
