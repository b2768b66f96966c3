"""The named steps of the story, at each of which a process may be killed on purpose, in a sandbox only.

`FERRYMAN_KILL_AT=payment_committed:3` together with `FERRYMAN_ENV=sandbox` kills this process, with no warning and as a
power cut would, the third time that it reaches that step. Otherwise `reached` does nothing. Every step stands at one
place of the code, right after what its name says.
"""

import os
import signal
from enum import StrEnum

from ferryman.kit.errors import Misconfigured

VARIABLE = "FERRYMAN_KILL_AT"


class Step(StrEnum):
    """In the order in which a purchase reaches them, or a renewal, whose charge stands for order, press and webhook;
    after each, what is written and what is not yet."""

    # A press is in the inbox; Telegram has not been told so.
    PRESS_KEPT = "press_kept"
    # A press is answered on the screen; the inbox does not know it.
    PRESS_ANSWERED = "press_answered"
    # Order and payment are written; the provider has not been asked.
    ORDER_COMMITTED = "order_committed"
    # The provider has made the payment; we have not written down that it did.
    PAYMENT_MADE = "payment_made"
    # It is written down; the customer has not seen the way to pay.
    PAYMENT_OPENED = "payment_opened"
    # A renewal's order, payment and charge are written; the provider has not been asked for the money.
    CHARGE_WRITTEN = "charge_written"
    # The provider has charged the kept instrument; nothing is written of that.
    CHARGE_MADE = "charge_made"
    # A webhook is read and verified; nothing is kept.
    WEBHOOK_READ = "webhook_read"
    # It is kept; the provider has not been answered.
    WEBHOOK_KEPT = "webhook_kept"
    # It is being looked into; the provider has not been asked.
    EVENT_TAKEN = "event_taken"
    # The provider has told the truth; nothing is written of it.
    FACT_HEARD = "fact_heard"
    # In one transaction: payment and ledger are written, the subscription is not.
    PAYMENT_SETTLED = "payment_settled"
    # In the same transaction: the subscription is extended, the keys are not owed yet.
    SUBSCRIPTION_GRANTED = "subscription_granted"
    # In the same transaction: everything is written, and is not committed.
    NOTICE_QUEUED = "notice_queued"
    # That transaction is committed; the event is not judged yet.
    PAYMENT_COMMITTED = "payment_committed"
    # The event is judged.
    EVENT_JUDGED = "event_judged"
    # A node's debts are read; its panel has not been called.
    KEYS_CHOSEN = "keys_chosen"
    # The panel has the keys; we have not written down that it has.
    KEYS_PUT = "keys_put"
    # It is written down.
    KEYS_RECORDED = "keys_recorded"
    # A notice is counted as perhaps sent; it is not sent.
    NOTICE_CLAIMED = "notice_claimed"
    # Telegram has it; we have not written down that it was sent.
    NOTICE_SENT = "notice_sent"
    # It is written down; the customer's next notice has not been called up.
    NOTICE_MARKED = "notice_marked"


class Aim:
    """At which step, and at which of its times, this process is to end."""

    def __init__(self, step: Step, times: int) -> None:
        self.step, self._left = step, times

    def hit(self, step: Step) -> bool:
        if step is not self.step:
            return False
        self._left -= 1
        return self._left <= 0


# At most one; empty in every process that is not to be killed.
_aims: list[Aim] = []


def arm(wish: str) -> None:
    """Take aim: `wish` is a step's name, with `:2` for its second time; empty = none.

    To be called in a sandbox only. Raises Misconfigured for what is no step.
    """
    name, _, times = wish.partition(":")
    try:
        _aims[:] = [Aim(Step(name), int(times or 1))] if wish else []
    except ValueError as error:
        raise Misconfigured(
            f"{VARIABLE} names no step: {wish}.",
            f"Unset it, or give one of {', '.join(Step)}, and :2 for its second time.",
        ) from error


def reached(step: Step) -> None:
    """The story has come to this step."""
    if _aims and _aims[0].hit(step):
        os.kill(os.getpid(), signal.SIGKILL)
