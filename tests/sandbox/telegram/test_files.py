"""Photos and documents: uploads, ids bound to their bot, sizes, downloads, edits between text and photo."""

import io
import json
from typing import Any

import aiohttp
import pytest

from ferryman_sandbox.telegram.answers import ApiError
from ferryman_sandbox.telegram.files import pixels
from tests.sandbox.telegram.phone import OTHER_TOKEN, TOKEN, Phone
from tests.sandbox.telegram.pictures import jpeg_head, png

QR = png(300, 300)
FOREIGN = "Bad Request: wrong file_id or the file is temporarily unavailable"


async def upload(phone: Phone, method: str, part: str, content: bytes, **fields: Any) -> dict[str, Any]:
    """A multipart call with one file part; the whole envelope."""
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value if isinstance(value, str) else json.dumps(value))
    form.add_field(part, io.BytesIO(content), filename="qr.png", content_type="image/png")
    async with phone.http.post(f"{phone.server.url}/bot{TOKEN}/{method}", data=form) as answer:
        body: dict[str, Any] = await answer.json()
        return body


async def sent_photo(phone: Phone, user: int, **fields: Any) -> dict[str, Any]:
    body = await upload(phone, "sendPhoto", "part", QR, chat_id=user, photo="attach://part", **fields)
    result: dict[str, Any] = body["result"]
    return result


async def test_a_photo_comes_in_sizes_from_small_to_large(phone: Phone) -> None:
    user = await phone.started()
    message = await sent_photo(phone, user, caption="<b>Key</b>", parse_mode="HTML")
    assert [(size["width"], size["height"]) for size in message["photo"]] == [(90, 90), (300, 300)]
    assert message["photo"][-1]["file_size"] == len(QR)
    assert len({size["file_id"] for size in message["photo"]}) == 2
    assert (message["caption"], message["caption_entities"]) == ("Key", [{"offset": 0, "length": 3, "type": "bold"}])
    assert "text" not in message


async def test_the_part_may_bear_the_fields_own_name(phone: Phone) -> None:
    user = await phone.started()
    assert (await upload(phone, "sendPhoto", "photo", QR, chat_id=user))["ok"]


async def test_a_file_is_downloaded_as_it_was_uploaded(phone: Phone) -> None:
    user = await phone.started()
    photo = (await sent_photo(phone, user))["photo"][-1]
    file = await phone.ok("getFile", file_id=photo["file_id"])
    assert file["file_unique_id"] == photo["file_unique_id"]
    async with phone.http.get(f"{phone.server.url}/file/bot{TOKEN}/{file['file_path']}") as answer:
        assert await answer.read() == QR
    async with phone.http.get(f"{phone.server.url}/file/bot{OTHER_TOKEN}/{file['file_path']}") as answer:
        assert answer.status == 404


async def test_the_person_sees_the_photo_at_its_address(phone: Phone) -> None:
    user = await phone.started()
    await sent_photo(phone, user)
    address = (await phone.chat(user))["messages"][-1]["photo_url"]
    async with phone.http.get(phone.server.url + address) as answer:
        assert (answer.content_type, await answer.read()) == ("image/png", QR)
    async with phone.http.get(f"{phone.server.url}/__emu/files/none") as answer:
        assert answer.status == 400


async def test_a_file_id_sends_the_same_photo_again(phone: Phone) -> None:
    user = await phone.started()
    first = await sent_photo(phone, user)
    for size in first["photo"]:
        again = await phone.ok("sendPhoto", chat_id=user, photo=size["file_id"])
        assert again["photo"] == first["photo"]


async def test_a_file_id_is_good_for_its_own_bot_only_and_a_unique_id_for_none(phone: Phone) -> None:
    user = await phone.started()
    photo = (await sent_photo(phone, user))["photo"][-1]
    await phone.emu(f"users/{user}/start", {"bot": 654321})
    foreign = await phone.api("sendPhoto", token=OTHER_TOKEN, chat_id=user, photo=photo["file_id"])
    assert foreign["description"] == FOREIGN
    unique = await phone.api("sendPhoto", chat_id=user, photo=photo["file_unique_id"])
    assert unique["description"] == FOREIGN
    assert (await phone.api("getFile", file_id="nothing"))["description"] == FOREIGN


async def test_a_document_keeps_its_name_and_is_no_photo(phone: Phone) -> None:
    user = await phone.started()
    body = await upload(phone, "sendDocument", "document", b"ca: certificate", chat_id=user, caption="config")
    document = body["result"]["document"]
    assert (document["file_name"], document["file_size"]) == ("qr.png", 15)
    again = await phone.ok("sendDocument", chat_id=user, document=document["file_id"])
    assert again["document"] == document
    refused = await phone.api("sendPhoto", chat_id=user, photo=document["file_id"])
    assert refused["description"] == "Bad Request: can't use file of type Document as Photo"
    photo = (await sent_photo(phone, user))["photo"][-1]["file_id"]
    refused = await phone.api("sendDocument", chat_id=user, document=photo)
    assert refused["description"] == "Bad Request: can't use file of type Photo as Document"


async def test_a_wrong_document_is_refused(phone: Phone) -> None:
    user = await phone.started()
    body = await upload(phone, "sendDocument", "document", b"", chat_id=user)
    assert body["description"] == "Bad Request: file must be non-empty"
    body = await upload(phone, "sendDocument", "document", bytes(50 * 1024 * 1024 + 1), chat_id=user)
    assert body["description"] == "Bad Request: file is too big"


async def test_a_file_above_20_megabytes_is_kept_but_not_given_out(phone: Phone) -> None:
    user = await phone.started()
    body = await upload(phone, "sendDocument", "document", bytes(20 * 1024 * 1024 + 1), chat_id=user)
    refused = await phone.api("getFile", file_id=body["result"]["document"]["file_id"])
    assert refused["description"] == "Bad Request: file is too big"
    address = (await phone.chat(user))["messages"][-1]["document_url"]
    async with phone.http.get(phone.server.url + address) as answer:
        assert len(await answer.read()) == 20 * 1024 * 1024 + 1


async def test_a_broken_multipart_body_is_a_bad_request(phone: Phone) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=line"}
    body = b'--line\r\nContent-Disposition: form-data; name="photo"\r\n\r\nnever ends'
    async with phone.http.post(f"{phone.server.url}/bot{TOKEN}/sendPhoto", data=body, headers=headers) as answer:
        assert answer.status == 400
        assert not (await answer.json())["ok"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "file must be non-empty"),
        (b"GIF89a no picture we know", "IMAGE_PROCESS_FAILED"),
        (jpeg_head(6000, 4001), "PHOTO_INVALID_DIMENSIONS"),
        (jpeg_head(2100, 100), "PHOTO_INVALID_DIMENSIONS"),
    ],
)
async def test_a_wrong_picture_is_refused(phone: Phone, content: bytes, complaint: str) -> None:
    user = await phone.started()
    body = await upload(phone, "sendPhoto", "photo", content, chat_id=user)
    assert body["description"] == f"Bad Request: {complaint}"


async def test_a_photo_has_ten_megabytes_at_most(phone: Phone) -> None:
    user = await phone.started()
    body = await upload(phone, "sendPhoto", "photo", QR + bytes(10 * 1024 * 1024), chat_id=user)
    assert body["description"] == "Bad Request: file is too big for a photo; maximum size is 10485760 bytes"


async def test_a_photo_that_is_not_there_is_named(phone: Phone) -> None:
    user = await phone.started()
    for photo in ("", "attach://missing"):
        refused = await phone.api("sendPhoto", chat_id=user, photo=photo)
        assert refused["description"] == "Bad Request: there is no photo in the request"
    refused = await phone.api("sendPhoto", chat_id=user, photo="https://shop.example/qr.png")
    assert refused["description"] == "Bad Request: failed to get HTTP URL content"


async def test_a_caption_has_1024_characters_at_most(phone: Phone) -> None:
    user = await phone.started()
    photo = (await sent_photo(phone, user, caption="x" * 1024))["photo"][-1]["file_id"]
    refused = await phone.api("sendPhoto", chat_id=user, photo=photo, caption="x" * 1025)
    assert refused["description"] == "Bad Request: message caption is too long"


async def test_a_photo_has_no_text_to_edit_but_a_caption(phone: Phone) -> None:
    user = await phone.started()
    message = await sent_photo(phone, user, caption="before")
    target = {"chat_id": user, "message_id": message["message_id"]}
    refused = await phone.api("editMessageText", **target, text="x")
    assert refused["description"] == "Bad Request: there is no text in the message to edit"
    assert (await phone.ok("editMessageCaption", **target, caption="after"))["caption"] == "after"
    assert "caption" not in await phone.ok("editMessageCaption", **target)


async def test_a_text_turns_into_a_photo_and_a_photo_into_another(phone: Phone) -> None:
    user = await phone.started()
    message = await phone.ok("sendMessage", chat_id=user, text="wait")
    target = {"chat_id": user, "message_id": message["message_id"]}
    media = {"type": "photo", "media": "attach://new", "caption": "ready"}
    edited = (await upload(phone, "editMessageMedia", "new", png(200, 100), **target, media=media))["result"]
    assert (edited["caption"], "text" in edited, edited["photo"][-1]["width"]) == ("ready", False, 200)
    swapped = (await upload(phone, "editMessageMedia", "new", QR, **target, media=media))["result"]
    assert swapped["photo"][-1]["width"] == 300


@pytest.mark.parametrize("media", [{"type": "video", "media": "attach://new"}, {"type": "photo"}, []])
async def test_media_of_another_kind_is_a_clear_refusal(phone: Phone, media: Any) -> None:
    user = await phone.started()
    message = await phone.ok("sendMessage", chat_id=user, text="wait")
    body = await upload(
        phone, "editMessageMedia", "new", QR, chat_id=user, message_id=message["message_id"], media=media
    )
    assert body["error_code"] == 400


async def test_a_copied_photo_may_get_another_caption(phone: Phone) -> None:
    user = await phone.started()
    source = await sent_photo(phone, user, caption="old")
    fields = {"chat_id": user, "from_chat_id": user, "message_id": source["message_id"]}
    await phone.ok("copyMessage", **fields)
    await phone.ok("copyMessage", **fields, caption="new")
    copies = (await phone.chat(user))["messages"][-2:]
    assert [copy["caption"] for copy in copies] == ["old", "new"]
    assert all(copy["photo"] == source["photo"] for copy in copies)


def test_pixels_are_read_from_png_and_jpeg() -> None:
    assert pixels(png(17, 9)) == (17, 9)
    assert pixels(jpeg_head(640, 480)) == (640, 480)
    with pytest.raises(ApiError, match="IMAGE_PROCESS_FAILED"):
        pixels(b"\xff\xd8\xff\xd9")
