"""What an operator may set for a YooKassa shop."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ferryman.kit.remote import ApiBase

REAL_API = "https://api.yookassa.ru/v3"


class ReceiptSettings(BaseModel):
    """What a fiscal receipt (law 54-FZ) needs beyond the payment. Codes: 1 = no VAT, 2 = 0 %, 3 = 10 %, …, 12."""

    model_config = ConfigDict(extra="forbid")

    vat_code: int = Field(ge=1, le=12, description="YooKassa's VAT code of what is sold; 1 = without VAT.")
    email: str = Field(
        "",
        pattern=r"^([^@\s]{1,64}@[^@\s]{1,190})?$",
        description="Where all receipts go; unset = each customer is asked for an e-mail address or phone number.",
    )
    tax_system_code: int | None = Field(
        None, ge=1, le=6, description="Tax system, for a cash register of your own; Receipts by YooKassa ignore it."
    )


class ShopConfig(BaseModel):
    """One YooKassa shop, as the merchant cabinet shows it."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, hide_input_in_errors=True)

    shop_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="shopId from the merchant cabinet.")
    secret_key: SecretStr = Field(min_length=1, description="Secret key of that shop; a test shop's begins with test_.")
    api_base: ApiBase = Field(REAL_API, description="Where the API answers; leave as it is outside the sandbox.")
    return_url: str = Field("", max_length=2048, description="Where the payer returns; unset = the bot's own address.")
    receipt: ReceiptSettings | None = Field(None, description="Set it to have a fiscal receipt sent with each payment.")
    test: bool | None = Field(None, description="Whether the shop's money is play money; unset = told by the key.")
    senders: list[IPv4Network | IPv6Network] = Field(
        [],
        description="Networks that notifications may come from; unset = any, as the truth is fetched all the same.",
    )

    @property
    def play_money(self) -> bool:
        if self.test is not None:
            return self.test
        return self.secret_key.get_secret_value().startswith("test_")

    @property
    def asks_for_contact(self) -> bool:
        """Receipts are sent, and each to the customer that it is for."""
        return self.receipt is not None and not self.receipt.email
