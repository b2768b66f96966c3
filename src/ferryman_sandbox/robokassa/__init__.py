"""An emulator of Robokassa: the page behind a signed link, the notification (ResultURL), the state of one payment.

Not modelled: receipts, holds, recurring payments, refunds by API, SuccessURL and FailURL, other XML methods, limits per
way to pay. Chosen here as nothing is published: redelivery follows `links.emulator.LADDER`; a second visit with the
same number finds the first one's bill, or is refused when it asks for something else.
"""

from ferryman_sandbox.robokassa.emulator import RobokassaEmulator

__all__ = ["RobokassaEmulator"]
