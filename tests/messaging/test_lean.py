"""aiogram's models: none is built that nobody uses, and those that are used are whole."""

import json
import subprocess
import sys

import pytest

ASK = """
import json, sys
import {module}
from aiogram import types
from aiogram.methods import SendMessage
from aiogram.methods import Response
models = [one for one in vars(types).values() if isinstance(one, type) and issubclass(one, types.TelegramObject)]
built = sum(one.__pydantic_complete__ for one in models)
chat = {{"id": 7, "type": "private"}}
person = {{"id": 7, "is_bot": False, "first_name": "Anna"}}
message = {{"message_id": 1, "date": 1, "chat": chat, "from": person, "text": "/start"}}
update = types.Update.model_validate({{"update_id": 1, "message": message, "callback_query": None}})
answer = Response[types.Message].model_validate({{"ok": True, "result": message}})
sent = SendMessage(chat_id=7, text="hello", reply_markup=types.ReplyKeyboardRemove()).model_dump(exclude_none=True)
print(json.dumps([len(models), built, update.message.from_user.first_name, answer.result.text, sent["text"]]))
"""


@pytest.mark.parametrize("module", ["ferryman.messaging.telegram", "ferryman.faces.bot.app"])
def test_models_are_built_when_they_are_used_and_not_before(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(module=module)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    models, built, *used = json.loads(done.stdout)
    assert models > 200
    assert built < 10
    assert used == ["Anna", "/start", "hello"]


def test_what_no_model_may_be_is_still_refused() -> None:
    code = "import ferryman.messaging.lean; from aiogram.types import Update; Update.model_validate({'update_id': 'x'})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "update_id" in done.stderr
    assert "ValidationError" in done.stderr
