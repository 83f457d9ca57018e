"""Where a project's stores lie when they are shared with other machines."""

from typing import Annotated

from pydantic import AfterValidator, Field

from cu_pipeline.core.addresses import has_password, hide_passwords
from cu_pipeline.core.options import Options
from cu_pipeline.core.places import is_shared


def _checked(address: str) -> str:
    if has_password(address):
        raise ValueError(f"{hide_passwords(address)} has a password in it: give it by the variables of the store")
    if not is_shared(address):
        raise ValueError("allowed is an address such as s3://bucket/folder, or null for this machine's disk")
    return address.rstrip("/")


Address = Annotated[str, AfterValidator(_checked)]


class StoresOptions(Options):
    """Parameters of stores that several machines share. Credentials are never among them.

    Attributes:
        features: address of the feature store; None: `data/04_feature`.
        champions: address that the served models are published to after a run that may change them; None: nowhere.
        reports: address that `data/08_reporting` is published to after a run; None: nowhere.
        media: address of copies of media, for `kedro stores` and workers of a cluster that lack them; None: nowhere.
        cache_gb: gigabytes of copies that this machine keeps in `data/.places`.
    """

    features: Address | None = None
    champions: Address | None = None
    reports: Address | None = None
    media: Address | None = None
    cache_gb: float = Field(default=20, ge=0)
