"""Failures come as HTTP 200 with a translated word and an English bracket."""

from tests.sandbox.xui.driver import PanelDriver

WRONG = "something went wrong ("


async def test_an_unknown_inbound_is_not_found(panel: PanelDriver) -> None:
    answer = await panel.get("inbounds/get/999999")
    assert "record not found" in answer.complaint


async def test_an_inbound_id_must_be_a_number(panel: PanelDriver) -> None:
    assert 'strconv.atoi: parsing "abc"' in (await panel.get("inbounds/get/abc")).complaint


async def test_a_russian_reader_gets_another_word_and_the_same_bracket(panel: PanelDriver) -> None:
    english = (await panel.update("nobody-here", {"email": "nobody-here"})).complaint
    russian = (
        await panel.post("clients/update/nobody-here", {"email": "nobody-here"}, headers={"Accept-Language": "ru"})
    ).complaint
    assert english.startswith(WRONG)
    assert not russian.startswith(WRONG)
    assert "(record not found)" in english
    assert "(record not found)" in russian


async def test_the_language_cookie_wins_over_the_header(panel: PanelDriver) -> None:
    answer = await panel.post("clients/update/nobody-here", {"email": "nobody-here"}, cookies={"lang": "ru-RU"})
    assert not answer.complaint.startswith(WRONG)


async def test_a_body_that_is_no_json_is_refused_politely(panel: PanelDriver) -> None:
    json_type = {"Content-Type": "application/json"}
    garbled = await panel.call("POST", "panel/api/clients/add", data=b"{bad", headers=json_type)
    empty = await panel.call("POST", "panel/api/clients/add", headers=json_type)
    form = await panel.call("POST", "panel/api/clients/add", form={"client": "x"})
    assert "invalid character" in garbled.complaint
    assert "(eof)" in empty.complaint
    assert "invalid character 'c'" in form.complaint


async def test_a_cut_off_body_is_an_unexpected_end(panel: PanelDriver) -> None:
    answer = await panel.call("POST", "panel/api/clients/add", data=b'{"client": ')
    assert "unexpected eof" in answer.complaint


async def test_a_telegram_id_must_be_a_number(panel: PanelDriver) -> None:
    for wrong in ("42", ""):
        body = {"client": panel.new_client(tgId=wrong), "inboundIds": panel.ids}
        complaint = (await panel.post("clients/add", body)).complaint
        assert "json: cannot unmarshal string" in complaint
        assert "tgid of type int64" in complaint


async def test_a_numeric_client_id_is_a_type_error(panel: PanelDriver) -> None:
    client = await panel.added()
    assert "cannot unmarshal number" in (await panel.update(client["email"], client | {"id": 7})).complaint


async def test_a_list_where_an_object_belongs_is_a_type_error(panel: PanelDriver) -> None:
    assert "cannot unmarshal array" in (await panel.post("clients/add", [])).complaint


async def test_unknown_fields_and_nulls_are_no_errors(panel: PanelDriver) -> None:
    client = await panel.added(surprise={"a": 1}, comment=None, totalGB=None)
    record = await panel.record(client["email"])
    assert record["comment"] == ""
    assert record["totalGB"] == 0
    assert "surprise" not in record


async def test_answers_are_compressed_when_asked(panel: PanelDriver) -> None:
    answer = await panel.get("inbounds/list", headers={"Accept-Encoding": "gzip"})
    assert answer.ok
    assert answer.headers["Content-Encoding"] == "gzip"


async def test_bodies_over_ten_mebibytes_are_refused_from_3_4_0(emulated: PanelDriver) -> None:
    client = emulated.new_client(comment="x" * (11 << 20))
    answer = await emulated.post("clients/add", {"client": client, "inboundIds": emulated.ids[:1]})
    assert answer.json["success"] is (emulated.version < (3, 4, 0))
