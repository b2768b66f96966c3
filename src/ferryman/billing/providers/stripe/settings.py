"""What an operator sets for one Stripe account."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from ferryman.kit import remote

REAL_API = "https://api.stripe.com/v1"

_SECRET_KEY = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_]{1,250}")


def _is_secret_key(value: SecretStr) -> SecretStr:
    if not _SECRET_KEY.fullmatch(value.get_secret_value()):
        raise ValueError("must begin with sk_test_, sk_live_, rk_test_ or rk_live_")
    return value


class AccountConfig(BaseModel):
    """One Stripe account, as its dashboard shows it under Developers."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret_key: Annotated[SecretStr, AfterValidator(_is_secret_key)] = Field(
        description="Secret or restricted API key; a test one begins with sk_test_ or rk_test_."
    )
    webhook_secret: SecretStr = Field(min_length=8, description="Signing secret of the webhook endpoint: whsec_….")
    previous_webhook_secret: SecretStr | None = Field(
        None, min_length=8, description="The signing secret before it was rolled: still believed."
    )
    api_base: remote.ApiBase = Field(REAL_API, description="Where the API answers; leave as it is outside the sandbox.")
    return_url: str = Field("", max_length=2048, description="Where the payer returns; unset = the bot's own address.")
