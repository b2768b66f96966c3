"""The answer to "may this person pay this now?": within two seconds, whatever the database does.

Telegram waits ten. A question is answered beside everything else, out of no queue: it is worthless when it is late,
and nothing is lost with it, for no money has moved.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any

from ferryman.flows.payments import stars
from ferryman.flows.payments.stars import MayNotPay, Question
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError, Retry
from ferryman.messaging.telegram import Telegram
from ferryman.messaging.texts import voice
from ferryman.people.customer import language_of

_log = log.get("checkout")

JUDGE_SECONDS = 1.5
# The answer is sent again after each of these when Telegram gives none itself.
AGAIN_AFTER = (0.3, 1.0)
REMEMBERED = 1000
# Telegram shows at most so many characters.
LONGEST_REFUSAL = 200


class CheckoutDesk:
    """Answers each question once, and as often as that takes."""

    def __init__(self, tools: Tools, telegram: Telegram) -> None:
        self._tools = tools
        self._telegram = telegram
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: deque[str] = deque(maxlen=REMEMBERED)

    def ask(self, update: Mapping[str, Any]) -> None:
        """Take up a `pre_checkout_query`; one that is known already is being answered, or was."""
        query = update.get("pre_checkout_query")
        try:
            query_id, question, language = _read(query)
        except (AttributeError, KeyError, TypeError, ValueError):
            _log.error("checkout_not_understood", update=update.get("update_id"))
            return
        if query_id not in self._seen:
            self._seen.append(query_id)
            self._begin(self._answer(query_id, question, language))

    async def finish(self) -> None:
        """Wait for the answers that are under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=JUDGE_SECONDS * 2)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer(self, query_id: str, question: Question, language: str | None) -> None:
        log.unbind_all()
        log.bind(checkout=query_id)
        refusal = await self._judged(question)
        said = None
        if refusal is not None:
            speaks = voice(refusal.language or language_of(language))
            said = speaks.plain(f"refused-{refusal.reason}")[:LONGEST_REFUSAL]
        for pause in (*AGAIN_AFTER, None):
            try:
                await self._telegram.answer_checkout(query_id, said)
                _log.info("checkout_answered", refused=refusal is not None)
                return
            except Retry as error:
                _log.warning("checkout_not_answered", why=str(error))
                if pause is not None:
                    await asyncio.sleep(pause)
            except FerrymanError as error:
                _log.error("checkout_not_answered", why=str(error))
                return

    async def _judged(self, question: Question) -> MayNotPay | None:
        """Why not; None when the payment may go on."""
        judging = self._begin(stars.may_pay(self._tools, question))
        await asyncio.wait({judging}, timeout=JUDGE_SECONDS)
        if not judging.done():
            # Not waited for: a driver that tells the server of a cancellation may take seconds for that alone.
            judging.cancel()
            _log.error("checkout_refused_in_doubt", why="the database did not answer in time")
            return MayNotPay("busy")
        problem = judging.exception()
        if problem is None:
            return None
        if isinstance(problem, MayNotPay):
            _log.warning("checkout_refused", reason=problem.reason, payer=question.payer)
            return problem
        _log.error("checkout_refused_in_doubt", exc_info=problem)
        return MayNotPay("busy")


def _read(query: Any) -> tuple[str, Question, str | None]:
    payer, language = query["from"]["id"], query["from"].get("language_code")
    carried, amount, currency = query["invoice_payload"], query["total_amount"], query["currency"]
    if type(payer) is not int or type(amount) is not int or not isinstance(carried, str):
        raise ValueError("not a question of Telegram's")
    return str(query["id"]), Question(payer, carried, amount, str(currency)), language
