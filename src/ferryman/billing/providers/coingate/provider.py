"""The port's verbs, spoken to CoinGate."""

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from ferryman.billing.provider import Claim, Fact, Opened, PaymentRequest, PaymentState, ProviderTools, RawWebhook, Way
from ferryman.billing.providers.coingate.answers import ID, Json, callback, fact, id_of, orders_in, problem
from ferryman.kit import remote
from ferryman.kit.errors import Busy, Conflict, Misconfigured, NotFound, Refused, Retry, Unreachable
from ferryman.kit.remote import line_of, matching, page_address
from ferryman.kit.secrets import same

REAL_API = "https://api.coingate.com/v2"
TEST_HOST = "api-sandbox.coingate.com"
# What prices may be in, as far as it is known to be taken; roubles are not.
CURRENCIES = ("EUR", "USD", "GBP", "PLN", "CZK", "CHF", "SEK", "NOK", "DKK", "HUF", "RON", "TRY", "CAD", "AUD", "JPY")
LARGEST_WEBHOOK = 64 * 1024
TITLE = 150
DESCRIPTION = 500
# Creating is slower than reading over there; giving up early only makes more orders whose fate is unknown.
PATIENCE = 30.0
# Seconds for our own address to answer.
OWN_ADDRESS = 5.0
# A request younger than this, and not sent before by this process, was never sent.
FRESH = timedelta(seconds=5)
CLOCKS_APART = timedelta(hours=1)
# The filters are documented with dates; whether the time of day counts is not.
WHOLE_DAY = timedelta(days=1)
PAGE = 100
SEARCH_PAGES = 50

_REF = re.compile(r"[\x21-\x7e]{1,128}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,200}")
_STATUS = re.compile(r"[a-z_]{1,40}")


class ApiAppConfig(BaseModel):
    """One API app of a CoinGate account, as its dashboard shows it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    api_token: remote.HeaderSecret = Field(description="API token of the app.")
    previous_token: remote.HeaderSecret | None = Field(
        None, description="The token before, for a week after changing it: its callbacks still come."
    )
    api_base: remote.ApiBase = Field(
        REAL_API, description=f"Where the API answers; https://{TEST_HOST}/v2 for CoinGate's own sandbox."
    )
    receive_currency: str = Field(
        "",
        pattern=r"^([A-Z]{3,10}|DO_NOT_CONVERT)?$",
        description="What the account is credited in, or DO_NOT_CONVERT; unset = as the account says.",
    )


class CoinGate:
    """The provider. `open` answers an empty `pay_url` when the order it finds again can no longer be paid."""

    name: ClassVar[str] = "coingate"
    title: ClassVar[Mapping[str, str]] = {"ru": "Криптовалюта (CoinGate)", "en": "Crypto (CoinGate)"}
    icon: ClassVar[str] = "🪙"
    currencies: ClassVar[tuple[str, ...]] = CURRENCIES
    ways: ClassVar[tuple[Way, ...]] = (Way("", "🪙", {"ru": "Криптовалюта", "en": "Crypto"}),)
    needs_contact: ClassVar[bool] = False
    watched_for: ClassVar[timedelta] = timedelta(days=180)
    Config: ClassVar[type[BaseModel]] = ApiAppConfig
    _tries: ClassVar[remote.Tries] = remote.Tries()

    def __init__(self, config: ApiAppConfig, tools: ProviderTools) -> None:
        """Raises Misconfigured for an emulator's address, or CoinGate's sandbox, outside our sandbox."""
        self._config = config
        self._tools = tools
        remote.refuse_play("CoinGate", config.api_base, REAL_API, sandbox=tools.sandbox, play_money=self.test_mode)
        tokens = [config.api_token, *([config.previous_token] if config.previous_token else [])]
        self._secrets = [token.get_secret_value() for token in tokens]

    @property
    def test_mode(self) -> bool:
        """Told by the address: an order says nothing of it, and each place has accounts of its own."""
        host = (urlsplit(self._config.api_base).hostname or "").removesuffix(".")
        return host == TEST_HOST or remote.is_loopback(host)

    def answer(self, _: Claim | None) -> tuple[int, str]:
        """Always 200: a 301, 302 or 401 ends an order's callbacks for good, and a 403 is said to do so too."""
        return 200, ""

    async def open(self, request: PaymentRequest) -> Opened:
        """Raises Conflict when the order it finds again is for another sum; Busy at the cap on orders per hour, and
        while another call for the same payment is under way."""
        request.must_be_in(self.currencies, "CoinGate")
        creation = self._creation(request)
        with self._tries.one(f"{self._config.api_base} {request.ref}") as first:
            if not first or self._tools.clock.now() - request.placed_at >= FRESH:
                left = await self._left_behind(request)
                if left is not None:
                    return self._again(left, request)
            order = await self._call("POST", "/orders", form=creation)
        return Opened(id_of(order), page_address(order.get("payment_url")))

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """A callback, as JSON or as a form: which one is a setting of the API app over there."""
        if len(raw.body) > LARGEST_WEBHOOK:
            raise Refused(f"A CoinGate callback is at most {LARGEST_WEBHOOK} bytes.")
        said = callback(raw.body)
        external_id, ref = matching(said.get("id"), ID), matching(said.get("order_id"), _REF)
        status, token = matching(said.get("status"), _STATUS), matching(said.get("token"), _TOKEN)
        if external_id is None or ref is None or status is None or token is None:
            raise Refused("This is not a callback about a CoinGate order.")
        if not any(same(token, _order_token(secret, ref)) for secret in self._secrets):
            raise Refused("The callback's token is not the one of its order.")
        key = f"{external_id}:{status}"
        if "refund" in status:
            # Each part that is given back comes under the same status; only the rest of the body differs.
            key += f":{hashlib.sha256(raw.body).hexdigest()[:16]}"
        return Claim(status, key, external_id, ref)

    async def look_up(self, external_id: str) -> Fact:
        if not ID.fullmatch(external_id):
            raise NotFound("CoinGate has no order of that id: it is not shaped like one.")
        found = self._fact(await self._call("GET", f"/orders/{external_id}"))
        if found.external_id != external_id:
            raise Unreachable("CoinGate's answer speaks of another order.")
        return found

    async def find(self, request: PaymentRequest) -> Fact | None:
        """Looks through what was created since the request was placed, as the API cannot search by our ref.

        Raises Busy when there is more than it is willing to read: the answer would not be certain.
        """
        left = await self._left_behind(request)
        return None if left is None else self._fact(left)

    async def listed(self, since: datetime, until: datetime) -> AsyncIterator[Fact]:
        """Orders priced in something else than our currencies are not ours and are left out."""
        seen: set[str] = set()
        for moment in ("created_at", "paid_at"):
            window = {f"{moment}[from]": _iso(since), f"{moment}[to]": _iso(until + WHOLE_DAY)}
            async for order in self._orders(window):
                found = line_of("CoinGate", self._fact, order) if order.get("price_currency") in CURRENCIES else None
                if found is not None and found.external_id not in seen:
                    seen.add(found.external_id)
                    yield found

    async def check(self) -> str:
        """Raises Misconfigured as well where callbacks would be redirected: no order could be made, or heard of."""
        await self._refuse_redirected(self._tools.base_url)
        orders_in(await self._call("GET", "/orders", {"per_page": "1"}))
        return f"CoinGate accepts the token ({'test' if self.test_mode else 'real'} money)."

    def _creation(self, request: PaymentRequest) -> dict[str, str]:
        """As a form, where a sum is text: in JSON it would have to be a number. Raises Misconfigured."""
        self._refuse_redirecting(request.hook_url)
        # Either text has to be of three characters at least.
        title = " ".join(request.description.split()).ljust(3, ".")
        fields = {
            "order_id": request.ref,
            "price_amount": request.amount.decimal(),
            "price_currency": request.amount.currency,
            "title": title[:TITLE],
            "description": f"{title} ({request.order_ref})"[:DESCRIPTION],
            "receive_currency": self._config.receive_currency,
            "callback_url": request.hook_url,
            "success_url": request.return_url,
            "cancel_url": request.return_url,
            "token": _order_token(self._secrets[0], request.ref),
        }
        return {name: value for name, value in fields.items() if value}

    def _refuse_redirecting(self, hook_url: str) -> None:
        if hook_url and not hook_url.startswith("https://") and not self._tools.sandbox:
            raise Misconfigured(
                "CoinGate's callbacks would go to an http:// address, and a redirect to https:// ends them for good.",
                "Set FERRYMAN_PUBLIC_URL to the https:// address that this machine is reached at.",
            )

    async def _refuse_redirected(self, base_url: str) -> None:
        """Whether our own address answers with a redirect; one that cannot be reached from here proves nothing."""
        self._refuse_redirecting(base_url)
        if not base_url.startswith("https://"):
            return
        try:
            answer = await self._tools.http.request("GET", f"{base_url}/healthz", timeout=OWN_ADDRESS)
        except (Retry, Misconfigured):
            return
        if 300 <= answer.status < 400:
            raise Misconfigured(
                f"{base_url} answers with a redirect, and one ends an order's callbacks for good.",
                "Set FERRYMAN_PUBLIC_URL to the address that it leads to, or have the proxy redirect nothing.",
            )

    def _again(self, order: Json, request: PaymentRequest) -> Opened:
        found = self._fact(order)
        if found.amount != request.amount:
            raise Conflict(f"CoinGate has an order under this ref already, for {found.amount}.")
        payable = found.state is PaymentState.PENDING
        return Opened(found.external_id, page_address(order.get("payment_url")) if payable else "")

    async def _left_behind(self, request: PaymentRequest) -> Json | None:
        """The order with our ref; of several the one that matters most: paid, else payable, else any."""
        best: Json | None = None
        rank = {PaymentState.SUCCEEDED: 0, PaymentState.PENDING: 1, PaymentState.SHORT: 2, PaymentState.CANCELLED: 3}
        async for order in self._orders({"created_at[from]": _iso(request.placed_at - CLOCKS_APART)}):
            if order.get("order_id") == request.ref:
                state = self._fact(order).state
                if state is PaymentState.SUCCEEDED:
                    return order
                if best is None or rank[state] < rank[self._fact(best).state]:
                    best = order
        return best

    async def _orders(self, window: Mapping[str, str]) -> AsyncIterator[Json]:
        """Oldest first, so that what is created meanwhile moves nothing to another page."""
        for number in range(1, SEARCH_PAGES + 1):
            params = {"sort": "created_at_asc", "per_page": str(PAGE), "page": str(number), **window}
            page = await self._call("GET", "/orders", params)
            orders = orders_in(page)
            for order in orders:
                yield order
            pages = page.get("total_pages")
            if not orders or (isinstance(pages, int) and number >= pages):
                return
        raise Busy(f"CoinGate lists more than {SEARCH_PAGES * PAGE} orders in that time.", after=3600.0)

    async def _call(
        self, method: str, path: str, params: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> Json:
        headers, url = {"Authorization": f"Token {self._secrets[0]}"}, self._config.api_base + path
        answer = await self._tools.http.request(
            method, url, headers=headers, params=params, form=form, timeout=PATIENCE
        )
        try:
            document = remote.document(answer.body)
        except ValueError:
            document = {}
        if answer.status in (200, 201) and document:
            return document
        raise problem(answer, document, changes=form is not None)

    def _fact(self, order: Json) -> Fact:
        return fact(order, self.test_mode)


def _order_token(secret: str, ref: str) -> str:
    """The callback token of one order: 192 bits that nobody knows without the API token."""
    digest = hmac.digest(secret.encode(), b"ferryman callback of " + ref.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:24]).decode()


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
