"""The address that a customer keeps: one per subscription, the same for ever, whatever happens to the nodes."""

import re

# What `new_token` makes, with room for longer ones; anything else is not looked up at all.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")


def subscription_url(base_url: str, token: str) -> str:
    """`base_url` is the product's public address. Raises ValueError for what could not be a token of ours."""
    if not is_token(token):
        raise ValueError("a subscription token is 16 to 128 characters of A-Z a-z 0-9 _ -")
    return f"{base_url.rstrip('/')}/s/{token}"


def is_token(text: str) -> bool:
    """Whether it is shaped like a subscription token; says nothing about whether it is one."""
    return _TOKEN.fullmatch(text) is not None
