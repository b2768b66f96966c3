"""One way to show a screen: edit the message whose button was pressed, or send a new one when that cannot be."""

from dataclasses import dataclass

from ferryman.faces.bot.screens import Screen
from ferryman.messaging.telegram import CannotEdit, Telegram


@dataclass(frozen=True)
class Place:
    """A message of ours that may be changed; `is_photo` decides how."""

    message_id: int
    is_photo: bool


async def show(telegram: Telegram, chat_id: int, screen: Screen, place: Place | None) -> int:
    """Answers the id of the message that now shows the screen. Raises what sending raises."""
    if place is not None:
        try:
            if await _edited(telegram, chat_id, screen, place):
                return place.message_id
        except CannotEdit:
            pass
        else:
            # A photo cannot become a text: the new message comes first, so that there is always one to look at.
            shown = await _send(telegram, chat_id, screen)
            await telegram.delete(chat_id, place.message_id)
            return shown
    return await _send(telegram, chat_id, screen)


async def _edited(telegram: Telegram, chat_id: int, screen: Screen, place: Place) -> bool:
    """False when the message is of a kind that cannot become this screen."""
    if screen.photo is not None:
        await telegram.edit_photo(chat_id, place.message_id, screen.photo, screen.text, screen.keyboard)
        return True
    if place.is_photo:
        return False
    await telegram.edit_text(chat_id, place.message_id, screen.text, screen.keyboard)
    return True


async def _send(telegram: Telegram, chat_id: int, screen: Screen) -> int:
    if screen.photo is not None:
        return await telegram.send_photo(chat_id, screen.photo, screen.text, screen.keyboard)
    return await telegram.send_text(chat_id, screen.text, screen.keyboard)
