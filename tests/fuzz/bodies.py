"""What a stranger may send: real webhooks with something wrong with them, and things that never were one."""

import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

HUGE = 300 * 1024
DEEP = 3000
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**30, -(10**400), 1e308, float("nan"), float("inf"), -0.0, [], {}, [[]], {"": ""},
    "", " ", "0", "1e999", "NaN", "199.00", "199,00", "١٩٩", "+199.00", "0x10", "199.00 ", "\0", "a\0b", "\ud800",
    "💣" * 50, "٪", "\u202e", "A" * 5000, "' OR 1=1 --", "../../etc/passwd", "${jndi:ldap://x}", "{{7*7}}", "<script>",
    "%00%0d%0aX: y",
)  # fmt: skip
STATES = (
    "succeeded", "paid", "confirmed", "canceled", "pending", "refund.succeeded", "payment.succeeded", "invoice_paid",
    "checkout.session.completed", "charge.refunded", "paid_over", "wrong_amount",
)  # fmt: skip
# Not those that the HTTP server itself reads and refuses before anybody else: Content-Length, Transfer-Encoding.
HEADERS = (
    "content-type", "content-encoding", "x-forwarded-for", "x-real-ip", "authorization", "expect", "accept", "cookie",
    "x-odd", "host", "forwarded",
)  # fmt: skip
HEX = string.hexdigits[:16]
# How many of the bodies that a provider signs in a header bear a signature that is right.
SIGNED = 0.5


@dataclass(frozen=True)
class Sent:
    """One request to a webhook's address. Header names are lower-case, values as on the wire."""

    body: bytes
    headers: Mapping[str, bytes] = field(default_factory=dict)
    query: str = ""
    method: str = "POST"


class Mutator:
    """Draws from real webhooks of one provider. `ids` are what its own payments and ours are called; `sign` makes the
    headers of somebody who knows the secret, for without them no spoilt body is ever looked into."""

    def __init__(
        self,
        dice: random.Random,
        real: Sequence[Sent],
        ids: Sequence[str],
        sign: Callable[[bytes], Mapping[str, bytes]] | None = None,
    ) -> None:
        self._dice, self._real, self._ids, self._sign = dice, real or [Sent(b"{}")], [*ids] or ["1"], sign
        self._ways: list[tuple[int, Callable[[Sent], Sent]]] = [
            (4, self._of_tree),
            (2, self._of_form),
            (2, self._of_bytes),
            (3, self._of_headers),
            (1, self._of_query),
            (2, self._another_id),
            (1, self._from_nothing),
        ]

    def draw(self) -> Sent:
        """One of the real ones, with one to three things done to it."""
        dice = self._dice
        sent = dice.choice(self._real)
        for _ in range(dice.choice((1, 1, 1, 2, 2, 3))):
            sent = dice.choices([way for _, way in self._ways], [weight for weight, _ in self._ways])[0](sent)
        if dice.random() < 0.01:
            sent = replace(sent, method=dice.choice(("GET", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH")))
        if self._sign is not None and dice.random() < SIGNED:
            sent = replace(sent, headers={**sent.headers, **self._sign(sent.body)})
        return sent

    def _of_tree(self, sent: Sent) -> Sent:
        """JSON of the same shape with another value, a value less, a key twice, or all of it much deeper."""
        try:
            tree = json.loads(sent.body)
        except (ValueError, RecursionError):
            return self._of_bytes(sent)
        match self._dice.randrange(10):
            case 0:
                text = (
                    '{"a":' * DEEP + json.dumps(tree) + "}" * DEEP
                    if self._dice.random() < 0.2
                    else f"[{json.dumps(tree)}]"
                )
            case 1:
                text = json.dumps(tree)
                cut = text.find(",") + 1
                text = text[:1] + text[1:cut] + text[1:cut] + text[cut:] if cut > 1 else text
            case 2:
                text = json.dumps(tree, indent=self._dice.randrange(9), ensure_ascii=False)
            case 3:
                text = json.dumps({"object": tree, "payload": tree, "data": tree})
            case _:
                text = json.dumps(self._spoilt(tree))
        return replace(sent, body=text.encode("utf-8", "surrogatepass"))

    def _spoilt(self, tree: Any) -> Any:
        """The tree with one of its leaves, or one of its branches, replaced."""
        dice = self._dice
        if isinstance(tree, dict) and tree and dice.random() < 0.9:
            name = dice.choice(list(tree))
            if dice.random() < 0.1:
                return {key: value for key, value in tree.items() if key != name}
            return {**tree, name: self._spoilt(tree[name])}
        if isinstance(tree, list) and tree and dice.random() < 0.7:
            place = dice.randrange(len(tree))
            return [*tree[:place], self._spoilt(tree[place]), *tree[place + 1 :]]
        return self._value()

    def _value(self) -> Any:
        dice = self._dice
        return dice.choice((dice.choice(STRANGE), dice.choice(self._ids), dice.choice(STATES), dice.randrange(10**12)))

    def _of_form(self, sent: Sent) -> Sent:
        """The same as a form, with another value, a field twice, or a field less."""
        try:
            pairs = parse_qsl(sent.body.decode(), keep_blank_values=True)
        except (UnicodeDecodeError, ValueError):
            pairs = []
        if not pairs:
            return self._of_bytes(sent)
        place = self._dice.randrange(len(pairs))
        match self._dice.randrange(4):
            case 0:
                pairs.append(pairs[place])
            case 1:
                pairs.pop(place)
            case _:
                pairs[place] = (pairs[place][0], str(self._value()))
        return replace(sent, body=urlencode(pairs, errors="replace").encode())

    def _of_bytes(self, sent: Sent) -> Sent:
        dice, body = self._dice, bytearray(sent.body)
        place = dice.randrange(len(body) + 1)
        match dice.randrange(7):
            case 0:
                del body[place:]
            case 1:
                body[place:place] = dice.choice(
                    (b"\0", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n\r\n")
                )
            case 2 if body:
                body[place % len(body)] ^= 1 << dice.randrange(8)
            case 3:
                body[place:place] = body[: dice.randrange(len(body) + 1)]
            case 4 if dice.random() < 0.05:
                body += b" " * HUGE
            case 5:
                body = bytearray(
                    dice.choice((b"", b"null", b"[]", b"{}", b'""', b"0", b"{", b"[" * DEEP, b"\x1f\x8b\x08"))
                )
            case _:
                body[place:place] = dice.randbytes(dice.randrange(8))
        return replace(sent, body=bytes(body))

    def _of_headers(self, sent: Sent) -> Sent:
        """A signature that is another's, cut off, of another length or not ASCII; and what else may stand in a head."""
        dice, headers = self._dice, dict(sent.headers)
        signed = [name for name in headers if "sign" in name]
        if signed and dice.random() < 0.7:
            name = dice.choice(signed)
            was = headers[name]
            headers[name] = dice.choice(
                (
                    b"",
                    was[: dice.randrange(len(was) + 1)],
                    was.upper(),
                    was + was,
                    was.replace(b"v1=", b"v0="),
                    was.replace(b"t=", b"t=9"),
                    "".join(dice.choice(HEX) for _ in was).encode(),
                    "é".encode() + was[1:],
                    bytes(dice.randrange(128, 256) for _ in was),
                )
            )
            if dice.random() < 0.2:
                del headers[name]
        else:
            junk = "".join(chr(dice.randrange(32, 127)) for _ in range(dice.randrange(40)))
            kinds = ("application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-7", junk)
            headers[dice.choice(HEADERS)] = dice.choice(kinds).encode()
        return replace(sent, headers=headers)

    def _of_query(self, sent: Sent) -> Sent:
        pairs = [(self._dice.choice(("id", "token", "a", "InvId", "")), str(self._value())) for _ in range(3)]
        return replace(sent, query=urlencode(pairs, errors="replace"))

    def _another_id(self, sent: Sent) -> Sent:
        """One of the known names put where another one stands: somebody else's payment, or one that waits."""
        old, new = self._dice.choice(self._ids), self._dice.choice(self._ids)
        body = sent.body.replace(old.encode(), new.encode()).replace(quote(old).encode(), quote(new).encode())
        return replace(sent, body=body)

    def _from_nothing(self, sent: Sent) -> Sent:
        dice = self._dice
        if dice.random() < 0.5:
            return replace(sent, body=dice.randbytes(dice.randrange(300)))
        names = ("id", "type", "event", "object", "status", "payload", "order_id", "sign", "uuid", "data", "amount")
        return replace(sent, body=json.dumps({dice.choice(names): self._value() for _ in range(6)}).encode())
