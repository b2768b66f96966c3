"""What money inside Telegram needs beside a provider: the way to the Bot API, and what an invoice carries unseen."""

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True)
class TelegramAccess:
    """The bot whose account the Stars come to. `api_base` without a slash at its end."""

    api_base: str
    token: SecretStr


def payload(ref: str, owner: int) -> str:
    """What an invoice carries: our payment's ref, and the Telegram id of the only person whose payment counts."""
    return f"{ref}.{owner}" if owner else ref


def read_payload(carried: str) -> tuple[str, int]:
    """The ref and the owner of an invoice's payload; 0 when it names no owner, or is none of ours."""
    ref, _, owner = carried.partition(".")
    return (ref, int(owner)) if owner.isascii() and owner.isdecimal() and len(owner) < 19 else (carried, 0)
