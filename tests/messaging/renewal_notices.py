"""Every notice about renewal, with every word that it may be given."""

from collections.abc import Iterator

from ferryman.messaging.notice import Notice
from ferryman.messaging.renewals import (
    RenewalAhead,
    RenewalCredited,
    RenewalFailed,
    RenewalMoved,
    RenewalOn,
    RenewalPriceRose,
    RenewalStopped,
    Renewed,
)

ODD = '<b>&"🙂'
WHAT = ("abcdefghjk", "⛵", {"ru": ODD, "en": ODD}, "2026-12-24T12:00:00+00:00")
DAY = "2026-12-23T12:00:00+00:00"
REASONS = ("insufficient_funds", "card_expired", "3d_secure_failed", "method_off", "late", "disabled", "unpaid", ODD)
CAUSES = ("customer", "telegram", "operator", "refunded", "withdrawn", "currency", "price", "upgraded", "disabled", "")


def renewal_notices() -> Iterator[Notice]:
    for by, way in (("kept", "Card *4477"), ("kept", ODD), ("stars", ""), ("balance", "")):
        yield RenewalOn(*WHAT, DAY, 19900, "RUB", by, way)
        yield RenewalAhead(*WHAT, DAY, 150, "XTR", by, way)
        yield Renewed(*WHAT, "FM-1", 19950, "RUB", 30, by, way)
        yield RenewalMoved(*WHAT, 34900, "RUB", 30, by, way)
    yield RenewalCredited("FM-1", 19900, "RUB")
    yield RenewalPriceRose(*WHAT, 24900, "RUB", 19900)
    for reason in REASONS:
        yield RenewalFailed(*WHAT, 19900, "RUB", reason, DAY)
        yield RenewalFailed(*WHAT, 19900, "RUB", reason, "")
    for why in CAUSES:
        yield RenewalStopped(*WHAT, why)
