"""What a key looks like in a message: a QR code, and buttons that hand the link over."""

import io

import segno

from ferryman.messaging.sender import LONGEST_COPY, Button, Keyboard
from ferryman.messaging.texts import Voice

# The quiet zone that ISO/IEC 18004 asks for, in modules.
QUIET_ZONE = 4


def qr_png(content: str, *, scale: int = 10) -> bytes:
    """A QR code of `content`, `scale` pixels to a module; about 400 × 400 pixels for a subscription link.

    Made in memory: a key never touches the disk.
    """
    buffer = io.BytesIO()
    segno.make_qr(content, error="m").save(buffer, kind="png", scale=scale, border=QUIET_ZONE)
    return buffer.getvalue()


def key_keyboard(voice: Voice, link: str, *below: Button) -> Keyboard:
    """Copy the link (when it fits into a button), how to connect, then the given buttons, one a row."""
    copy = Button(voice.plain("button-copy"), copy=link) if len(link) <= LONGEST_COPY else None
    help_ = Button(voice.plain("button-help"), data="v1:help")
    return Keyboard(tuple((button,) for button in (copy, help_, *below) if button is not None))
