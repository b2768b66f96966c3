"""The methods of the Bot API this emulator answers, by their lower-case names.

Not here yet, and answered 404 with an entry under `/__emu/unknown-methods`: media groups, stickers, inline
mode, and everything about groups except membership.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.methods import callbacks, chats, editing, payments, profile, receiving, sending

Method = Callable[[Cloud, Call], Awaitable[Any]]

METHODS: dict[str, Method] = {
    name.lower(): method
    for part in (receiving, sending, editing, callbacks, chats, profile, payments)
    for name, method in part.METHODS.items()
}
