"""The real application with every provider set up, called without sockets; what it stands for must not move."""

import hashlib
import hmac
import io
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from fastapi import FastAPI

from ferryman import wiring
from ferryman.billing.provider import RawWebhook
from ferryman.faces.web import app
from ferryman.flows.orders import opening
from ferryman.flows.payments import buying, settling
from ferryman.flows.shop import setup
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Refused
from ferryman.kit.settings import Settings
from ferryman.people.customer import Customer
from ferryman_sandbox.chaos.ways import Way, ways_of
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram import TelegramEmulator
from ferryman_sandbox.world import tills
from ferryman_sandbox.yookassa import YooKassaEmulator
from tests.billing.providers.recorder import Received, Recorder, recording
from tests.fuzz.bodies import Mutator, Sent
from tests.support.chat import until
from tests.support.messages import Outbox
from tests.support.rows import ask

KEY = "0123456789abcdef0123456789abcdef01234567"
PLAN = {
    "code": "standard",
    "icon": "⛵",
    "title": {"ru": "Стандарт", "en": "Standard"},
    "terms": [{"days": 30, "prices": {"RUB": "199.00", "EUR": "1.99", "XTR": "150"}}],
}
PAYER = 1001


def _by_stripe(body: bytes) -> dict[str, bytes]:
    """Old signatures are refused for their age, so each is made anew."""
    at = int(time.time())
    proof = hmac.new(f"whsec_{KEY}".encode(), b"%d." % at + body, "sha256").hexdigest()
    return {"stripe-signature": f"t={at},v1={proof}".encode()}


def _by_crypto_pay(body: bytes) -> dict[str, bytes]:
    token = hashlib.sha256(f"12345:AA{KEY}".encode()).digest()
    return {"crypto-pay-api-signature": hmac.new(token, body, "sha256").hexdigest().encode()}


SIGNED_IN_A_HEADER = {"stripe": _by_stripe, "cryptopay": _by_crypto_pay}
GRANTS = "SELECT count(*) FROM grants"
PAYMENTS = """
SELECT p.id, p.ref, p.external_id, o.ref FROM payments p JOIN orders o ON o.id = p.order_id
WHERE p.provider = :name ORDER BY p.id"""


@dataclass
class Gate:
    """`real` are webhooks that the emulators sent for a payment that is settled since; `ids` name that payment and one
    that still waits to be paid, by provider."""

    tools: Tools
    built: FastAPI
    heard: io.StringIO
    real: dict[str, list[Sent]] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    grants: int = 0

    @property
    def providers(self) -> list[str]:
        return list(self.ids)

    def mutator(self, provider: str, seed: int) -> Mutator:
        dice = random.Random(f"{seed}:{provider}")
        return Mutator(dice, self.real.get(provider, []), self.ids[provider], SIGNED_IN_A_HEADER.get(provider))

    async def ask(self, provider: str, sent: Sent) -> int:
        """The status that the real application answers, through all of its layers but the socket."""
        status = 0
        parts: list[dict[str, Any]] = [
            {"type": "http.request", "body": sent.body, "more_body": False},
            {"type": "http.disconnect"},
        ]

        async def receive() -> dict[str, Any]:
            return parts.pop(0)

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]

        path = f"/hooks/{provider}/{self.tools.hook_key(provider)}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": sent.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": sent.query.encode("utf-8", "replace"),
            "root_path": "",
            "headers": [(name.encode(), value) for name, value in sent.headers.items()],
            "client": ("127.0.0.1", 5000),
            "server": ("127.0.0.1", 80),
        }
        await self.built(scope, receive, send)  # type: ignore[arg-type]
        return status

    async def read(self, provider: str, mutator: Mutator, count: int) -> Counter[str]:
        """So many bodies past the provider's own reading; whatever it raises but Refused goes through."""
        async with self.tools.db.unit() as session:
            reader = await opening.collecting(self.tools, session, provider)
        verdicts: Counter[str] = Counter()
        for _ in range(count):
            sent = mutator.draw()
            headers = {name: value.decode("latin-1") for name, value in sent.headers.items()}
            try:
                reader.answer(reader.read_webhook(RawWebhook(sent.body, headers, "127.0.0.1", sent.query)))
                verdicts["believed to be one"] += 1
            except Refused as error:
                told = str(error)
                if KEY in told:
                    raise AssertionError(f"a secret is told: {told}") from error
                verdicts["refused"] += 1
        return verdicts

    async def through(self, provider: str, mutator: Mutator, count: int) -> Counter[str]:
        """So many requests through the application and into PostgreSQL, and what they were answered."""
        statuses: Counter[str] = Counter()
        for _ in range(count):
            sent = mutator.draw()
            status = await self.ask(provider, sent)
            assert status < 500, f"{provider} answered {status} to {sent}"
            statuses[str(status)] += 1
        return statuses

    async def unmoved(self) -> None:
        """After every job that was promised: nobody got anything, nothing fell, nothing was given away."""
        await self.tools.jobs.drain()
        granted = (await ask(self.tools.db, GRANTS))[0][0]
        assert granted == self.grants, f"{granted} grants instead of {self.grants}"
        said = self.heard.getvalue()
        assert KEY not in said
        for secret in (self.tools.hook_secret, *map(self.tools.hook_key, self.tools.providers)):
            assert secret not in said
        assert "Traceback" not in said, said[said.index("Traceback") :][:3000]


@asynccontextmanager
async def opened(settings: Settings, database_url: str) -> AsyncIterator[Gate]:
    """Every provider that the sandbox has an emulator of, with one payment that is settled and one that waits."""
    heard = io.StringIO()
    log.configure("json", "info", heard)
    async with AsyncExitStack() as stack:
        stack.callback(log.configure, "console", "warning")
        post = await stack.enter_async_context(recording())
        http = await stack.enter_async_context(aiohttp.ClientSession())
        telegram = await serve(TelegramEmulator(Store(":memory:"), tokens=[f"123456:{KEY}"]).app)
        stack.push_async_callback(telegram.stop)
        changed = {"public_url": post.url, "telegram_api_base": telegram.url, "telegram_token": f"123456:{KEY}"}
        adjusted = Settings(_env_file=None, **(settings.model_dump(exclude=set(changed)) | changed))
        tools = await stack.enter_async_context(wiring.built(adjusted, database_url, sender=Outbox(), up_to_date=False))
        sites = await _emulators(stack, tools)
        await _furnish(tools, sites)
        gate = Gate(tools, app.build(tools), heard)
        for way in ways_of(http, {**sites, "telegram": telegram.url}).values():
            if way.webhooks:
                await _acquaint(gate, way, post)
        gate.grants = int((await ask(tools.db, GRANTS))[0][0])
        yield gate


async def _emulators(stack: AsyncExitStack, tools: Tools) -> dict[str, Any]:
    bank = await serve(
        YooKassaEmulator(
            Store(":memory:"), secret_key=f"test_{KEY}", notify_url=tools.hook_url("yookassa"), test=True
        ).app
    )
    stack.push_async_callback(bank.stop)
    sites: dict[str, Any] = {"yookassa": bank.url, "tills": {}}
    for till in tills.offered():
        server = await serve(till.emulator(Store(":memory:"), KEY, tools.hook_url(till.name)).app)
        stack.push_async_callback(server.stop)
        sites["tills"][till.name] = server.url
    return sites


async def _furnish(tools: Tools, sites: dict[str, Any]) -> None:
    shop = {"shop_id": "100500", "secret_key": f"test_{KEY}", "api_base": f"{sites['yookassa']}/v3"}
    providers = [
        {"name": "yookassa", "config": shop},
        *tills.configured(sites["tills"], dict.fromkeys(sites["tills"], KEY)),
    ]
    await setup.apply(tools, setup.Shop.model_validate({"plans": [PLAN], "providers": providers}))
    async with tools.db.unit() as session:
        session.add(Customer(telegram_id=PAYER, first_name="Anna", language="ru"))


async def _acquaint(gate: Gate, way: Way, post: Recorder) -> None:
    """Two orders, one of them paid: what the emulator sends about it is kept, and settled."""
    tools, before = gate.tools, len(post.received)
    rows = await ask(tools.db, "SELECT id FROM customers")
    terms = await ask(tools.db, "SELECT id FROM terms")
    pages = []
    for number in range(2):
        wish = buying.Wish(rows[0][0], terms[0][0], await _method(gate, way.name), f"{way.name}-{number}")
        pages.append((await buying.begin(tools, wish)).pay_url)
    assert pages[0] is not None
    await way.pay(pages[0], PAYER)
    await until(partial(_is_taken, way), f"{way.name} to have the money")
    await post.wait_for(before + 1)
    known = await ask(tools.db, PAYMENTS, name=way.name)
    gate.ids[way.name] = [str(word) for row in known for word in row[1:] if word]
    gate.real[way.name] = [_kept(one) for one in post.received if f"/hooks/{way.name}/" in one.path]
    await settling.settle_payment(tools, known[0][0])
    for one in gate.real[way.name]:
        headers = {name: value.decode() for name, value in one.headers.items()}
        await settling.webhook_came(tools, way.name, RawWebhook(one.body, headers, "127.0.0.1", one.query))
    await tools.jobs.drain()


async def _is_taken(way: Way) -> bool:
    return bool(await way.taken())


async def _method(gate: Gate, provider: str) -> str:
    """The provider's first way to pay, as a button has it."""
    code = next(iter(gate.tools.providers[provider].ways)).code
    return f"{provider}.{code}" if code else provider


def _kept(one: Received) -> Sent:
    hop = ("host", "accept-encoding", "connection", "user-agent", "accept", "content-length")
    headers = {name: value.encode() for name, value in one.headers.items() if name not in hop}
    return Sent(one.body, headers, one.raw_query)
