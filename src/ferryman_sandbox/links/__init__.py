"""What emulators of shops behind a signed link share: bills, the pay page, control routes, notifications as forms.

Nobody announces such a payment: the first visit to the link makes the bill, the payer's press pays it.
"""

from ferryman_sandbox.links.bill import Bill, Desk, Wrong
from ferryman_sandbox.links.emulator import LinkEmulator

__all__ = ["Bill", "Desk", "LinkEmulator", "Wrong"]
