"""One call to Stripe, and what its answer means for us."""

from collections.abc import AsyncIterator, Mapping

from ferryman.billing.providers.stripe.settings import AccountConfig
from ferryman.billing.providers.stripe.shapes import Json, items, part
from ferryman.kit import remote
from ferryman.kit.errors import Busy, Conflict, FerrymanError, Refused
from ferryman.kit.http import Answer, Http

API_VERSION = "2024-06-20"
# A card's bank may think for long; hanging up earlier would only make more unknowns.
PATIENCE = 35.0
SEARCH_PAGES, PAGE = 50, 100


class AlreadyRefunded(Refused):
    """Nothing is left of the charge to give back."""


class Api:
    def __init__(self, config: AccountConfig, http: Http) -> None:
        self._base = config.api_base
        self._http = http
        key = config.secret_key.get_secret_value()
        self._headers = {"Authorization": f"Bearer {key}", "Stripe-Version": API_VERSION}

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        answer = await self._http.request("GET", self._base + path, headers=self._headers, params=params)
        return _document(answer, changes=False)

    async def post(self, path: str, form: Mapping[str, str], key: str) -> Json:
        """A card that declines is no error: the answer is then the PaymentIntent, which says so."""
        headers = {**self._headers, "Idempotency-Key": key}
        answer = await self._http.request("POST", self._base + path, headers=headers, form=form, timeout=PATIENCE)
        return _document(answer, changes=True)

    async def pages(self, path: str, asked: Mapping[str, str]) -> AsyncIterator[Json]:
        """What a list holds, newest first. Raises Busy when there is more than it is willing to read."""
        params = {**asked, "limit": str(PAGE)}
        for _ in range(SEARCH_PAGES):
            page = await self.get(path, params)
            shown = items(page)
            for one in shown:
                yield one
            if page.get("has_more") is not True or not shown:
                return
            params["starting_after"] = str(shown[-1].get("id"))
        raise Busy(f"Stripe lists more than {SEARCH_PAGES * PAGE} under {path}.", after=3600.0)


def _document(answer: Answer, *, changes: bool) -> Json:
    try:
        document = remote.document(answer.body)
    except ValueError:
        document = {}
    if answer.status == 200 and document:
        return document
    error = part(document, "error")
    if answer.status == 402 and part(error, "payment_intent"):
        return part(error, "payment_intent")
    raise _problem(answer, error, changes=changes)


def _problem(answer: Answer, error: Json, *, changes: bool) -> FerrymanError:
    kind, code, status = error.get("type"), error.get("code"), answer.status
    said = f"Stripe answered {status}"
    if isinstance(kind, str):
        said += f" {' '.join(str(code or kind).split())[:60]}"
    if status in (400, 402, 404) and isinstance(error.get("message"), str):
        said += f": {' '.join(error['message'].split())[:200].rstrip('.')}"
    after = remote.retry_after(answer.headers)
    if status == 409 or code == "lock_timeout":
        return Busy(f"{said}. The same request is under way.", after)
    if kind == "idempotency_error":
        return Conflict(f"{said}. The key was used for a different request.")
    if code == "charge_already_refunded":
        return AlreadyRefunded(f"{said}.")
    return remote.problem(status, said, changes=changes, after=after)
