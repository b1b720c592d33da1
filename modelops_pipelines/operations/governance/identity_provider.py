"""The provider of identities that people sign in with: the file that the setting ``sign_in`` names."""

from modelops_pipelines.channels.secret_values import value_of
from modelops_pipelines.core.access.identities import Provider, is_secure
from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.operations.endpoints.yaml.sign_in import parse_sign_in
from modelops_pipelines.store.setting_names import ENVIRONMENT
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.stores import Stores


def identity_provider(settings: Settings) -> Provider | None:
    """Return the provider; None where none is set.

    Raises SettingsError for a file that is missing or has faults, and for an address of the gateway that no provider
    should send people back to. A file that is gone is not the same as none: the gateway would be open.
    """
    path = settings.sign_in
    if path is None:
        return None
    try:
        provider, faults = parse_sign_in(path.read_text(encoding="utf-8"), path)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text", "Save it as UTF-8") from error
    except OSError as error:
        raise SettingsError(
            f"The sign-in file {path} cannot be read ({error.strerror})",
            f"Correct its path or permissions, or unset {ENVIRONMENT['sign_in']}",
        ) from error
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise SettingsError(f"{len(faults)} fault(s) in the sign-in file:\n{lines}", "Correct these lines")
    _require_secure_address(settings)
    return provider


def asks_for_keys(stores: Stores) -> bool:
    """Return whether the gateway is not open: there are keys, or people sign in with a provider.

    Raises SettingsError for a sign-in file that cannot be used, also when its secret is not where it says.
    """
    provider = identity_provider(stores.settings)
    if provider is not None:
        client_secret(provider)
    return provider is not None or bool(stores.keys.list())


def client_secret(provider: Provider) -> str:
    """Return the secret of the provider's client, as it is now; raises SettingsError."""
    return value_of(provider.client_secret, "the gateway's process")


def _require_secure_address(settings: Settings) -> None:
    """Raise SettingsError for an address that people's browsers cannot be sent back to safely."""
    if not is_secure(settings.links_to_gateway) or "?" in settings.links_to_gateway:
        raise SettingsError(
            f"People cannot sign in at {settings.links_to_gateway[:80]!r}: it is neither https nor on this machine",
            f"Set {ENVIRONMENT['public_url']} to the gateway's address for people, such as https://ml.example.com",
        )
