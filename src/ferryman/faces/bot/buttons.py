"""Buttons that stand under many screens."""

from ferryman.messaging.sender import Button
from ferryman.messaging.texts import Voice


def button(voice: Voice, name: str, data: str) -> Button:
    """The button whose label is the message `button-<name>`."""
    return Button(voice.plain(f"button-{name}"), data=data)


def home_row(voice: Voice) -> tuple[Button, ...]:
    return (button(voice, "home", "v1:home"),)
