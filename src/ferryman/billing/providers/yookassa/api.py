"""One call to the API and what its answer means; lists page by page."""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

from ferryman.billing.providers.yookassa.settings import ShopConfig
from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, Refused, Unreachable
from ferryman.kit.http import Answer, Http
from ferryman.kit.remote import LONGEST_WAIT, document, problem

# The service may think for 30 s before it gives up with a 500; hanging up earlier would only make more unknowns.
PATIENCE = 35.0
PAGE = 100

Json = dict[str, Any]


class Api:
    """Raises what the port says; Conflict when a key was used for another body."""

    def __init__(self, config: ShopConfig, http: Http) -> None:
        self._base = config.api_base
        self._http = http
        pair = f"{config.shop_id}:{config.secret_key.get_secret_value()}"
        self._authorization = "Basic " + base64.b64encode(pair.encode()).decode()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        headers = {"Authorization": self._authorization}
        return _document(await self._http.request("GET", self._base + path, headers=headers, params=params))

    async def post(self, path: str, body: Json, key: str) -> Json:
        headers = {"Authorization": self._authorization, "Idempotence-Key": key}
        answer = await self._http.request("POST", self._base + path, headers=headers, json_body=body, timeout=PATIENCE)
        return _document(answer, changes=True)

    async def create(self, body: Json, key: str) -> Json:
        """A payment. A shop that may not keep instruments gets it without: a sale is worth more than a kept card."""
        try:
            return await self.post("/payments", body, key)
        except AccessDenied:
            if not body.get("save_payment_method"):
                raise
            plain = {name: value for name, value in body.items() if name != "save_payment_method"}
            # A key of its own, as one key stands for one body.
            return await self.post("/payments", plain, f"{key[:62]}.n")

    async def pages(self, path: str, params: Mapping[str, str], most: int) -> AsyncIterator[Json]:
        """Every item of a list, newest first. Raises Busy when there are more than `most` pages."""
        asked = dict(params) | {"limit": str(PAGE)}
        for _ in range(most):
            page = await self.get(path, asked)
            for item in items(page):
                yield item
            cursor = page.get("next_cursor")
            if not isinstance(cursor, str) or not cursor:
                return
            asked["cursor"] = cursor
        raise Busy(f"YooKassa lists more than {most * PAGE} objects of {path[1:]} in that time.", after=LONGEST_WAIT)


def items(page: Json) -> list[Json]:
    found = page.get("items")
    if not isinstance(found, list):
        raise Unreachable("YooKassa's answer is not a list.")
    return [item for item in found if isinstance(item, dict)]


def _document(answer: Answer, *, changes: bool = False) -> Json:
    try:
        found = document(answer.body)
    except ValueError:
        found = None
    if answer.status == 200 and found is not None:
        return found
    raise _problem(answer.status, found or {}, changes=changes)


def _problem(status: int, said: Json, *, changes: bool) -> FerrymanError:
    sentence = f"YooKassa answered {status}"
    code, description = said.get("code"), said.get("description")
    if isinstance(code, str) and isinstance(description, str):
        sentence += f" {code[:40]}: {' '.join(description.split())[:200]}"
        # The only place where its prose decides: no code tells this from other mistakes.
        if status == 400 and "idempotence key duplicated" in description.lower():
            return Conflict(f"{sentence}. The key was used for a different request.")
    after = _retry_after(said)
    if status == 202:
        return Busy(f"{sentence}.", after)
    if 300 <= status < 400:
        return Refused(f"{sentence}. Its api_base leads elsewhere.")
    return problem(status, sentence, changes=changes, after=after)


def _retry_after(said: Json) -> float | None:
    """Seconds, from the API's milliseconds; an hour at most."""
    given = said.get("retry_after")
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        return None
    return min(given, int(LONGEST_WAIT) * 1000) / 1000
