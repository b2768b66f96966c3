"""The Bot API as far as money goes: one call, and what a refusal means."""

from typing import Any

from pydantic import SecretStr

from ferryman.kit import remote
from ferryman.kit.errors import AccessDenied, Busy, Refused, Unreachable
from ferryman.kit.http import Answer, Http


class BotApi:
    """One bot. The token is a part of every address, so no address is ever repeated in an error."""

    def __init__(self, http: Http, base: str, token: SecretStr) -> None:
        self._http = http
        self._base = base
        self._token = token

    @property
    def bot(self) -> str:
        """Which bot of which server, without the secret."""
        return f"{self._base} {self._token.get_secret_value().partition(':')[0]}"

    async def call(self, method: str, fields: dict[str, Any], *, changes: bool) -> Any:
        """The result. `changes`: without a usable answer it is unknown whether the call took effect."""
        url = f"{self._base}/bot{self._token.get_secret_value()}/{method}"
        return _result(await self._http.request("POST", url, json_body=fields), changes=changes)


def _result(answer: Answer, *, changes: bool) -> Any:
    """Raises what the Bot API's refusal means; its sentences hold no secret."""
    trouble = Unreachable if changes else Busy
    try:
        envelope = remote.document(answer.body)
    except ValueError as error:
        raise trouble(f"Telegram answered {answer.status} with something that is not of the Bot API.") from error
    if answer.status == 200 and envelope.get("ok") is True and "result" in envelope:
        return envelope["result"]
    said = f"Telegram: {' '.join(str(envelope.get('description', answer.status)).split())[:200]}"
    match answer.status:
        case 401 | 404:
            raise AccessDenied("Telegram does not accept the bot's token (FERRYMAN_TELEGRAM_TOKEN).")
        case 429:
            raise Busy(said, _seconds(envelope.get("parameters")))
        case status if status >= 500 or status < 400:
            raise trouble(said)
    raise Refused(said)


def _seconds(parameters: Any) -> float | None:
    given = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(min(given, int(remote.LONGEST_WAIT))) if type(given) is int and given >= 0 else None
