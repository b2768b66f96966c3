"""What every emulated service that takes money has: deadlines, webhooks, an API that refuses in its shape, pay pages,
control routes. It knows no provider; `coins` and `links` build on it for families of them.
"""

from ferryman_sandbox.payments.api import Refusal, gate, json_object, site
from ferryman_sandbox.payments.control import Control, Forgery, add_document, answered
from ferryman_sandbox.payments.deadlines import Deadlines
from ferryman_sandbox.payments.emulator import PaymentEmulator
from ferryman_sandbox.payments.idempotence import Keys
from ferryman_sandbox.payments.pushes import MODES, Manners, Pusher

__all__ = [
    "MODES",
    "Control",
    "Deadlines",
    "Forgery",
    "Keys",
    "Manners",
    "PaymentEmulator",
    "Pusher",
    "Refusal",
    "add_document",
    "answered",
    "gate",
    "json_object",
    "site",
]
