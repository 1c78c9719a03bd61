"""The library's client: what it may send and take, and its errors in one line."""

from __future__ import annotations

import errno
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from signbart_port.errors import PortError, printable
from signbart_port.hub.address import Address

SECONDS = 30
"""The time for an answer to begin, and between two parts of it."""
_TAG = re.compile(r'(W/)?"?[\w.+=:-]{1,128}"?', re.ASCII)
_SMALLEST_LIMIT = 1 << 20  # bytes of a file: room for the library's own
_TOKEN = "If it is private or gated: --hf-token HF_TOKEN sends the token in that variable"


def guard(endpoint: str, *, with_token: bool) -> None:
    """Let the library send a token to the hub alone, and take no hash that is a path: it names
    files in the cache after what a hub answers.

    Raises PortError where a token would be sent in the clear.
    """
    from huggingface_hub import get_session, set_client_factory

    if with_token and urlsplit(endpoint).scheme != "https":
        _check_loopback(endpoint)

    def send(request: Any) -> None:
        if _host(str(request.url)) != _host(endpoint):
            request.headers.pop("authorization", None)

    def receive(response: Any) -> None:
        if response.request.method != "HEAD":  # only of these are the headers used
            return
        for header in ("etag", "x-linked-etag", "x-repo-commit"):
            if not _TAG.fullmatch(response.headers.get(header, "none")):
                raise ValueError(f"{header} is {printable(response.headers[header], 60)}")

    library = get_session()

    def client() -> Any:
        hooks: Any = {"request": [*library.event_hooks["request"], send], "response": [receive]}
        return type(library)(event_hooks=hooks, follow_redirects=True, timeout=SECONDS)

    set_client_factory(client)


def _check_loopback(endpoint: str) -> None:
    """Raise PortError for a hub on another machine: what is sent there in the clear can be read on
    the way."""
    host = urlsplit(endpoint).hostname or ""
    with suppress(ValueError):
        if host == "localhost" or ip_address(host).is_loopback:
            return
    what = f"no token is sent to HF_ENDPOINT {printable(endpoint, 80)}, which has no TLS"
    raise PortError(None, what, "Give it as https://")


def _host(url: str) -> str:
    """Return the scheme, the host and the port of a URL."""
    return "/".join(url.split("/", 3)[:3]).lower()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Bound what this process may write to one file: a hub may send more than it has stated."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = max(size, _SMALLEST_LIMIT)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def library_errors(address: Address) -> Iterator[None]:
    """Turn what the library raises into one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        what = "is gated: the hub gives it to those alone who have accepted its terms"
        raise PortError(None, what, f"Accept them on its page. {_TOKEN}") from None
    except errors.RepositoryNotFoundError:
        raise PortError(None, "the hub has no such repository", _TOKEN) from None
    except errors.RevisionNotFoundError:
        what = f"the repository has no revision {address.revision}"
        raise PortError(None, what, "Name a branch, a tag or a commit after the @") from None
    except errors.HfHubHTTPError as error:
        what = f"the hub answers {error.response.status_code}"
        refused = error.response.status_code in (401, 403)
        raise PortError(None, what, _TOKEN if refused else "Try again later") from None
    except Exception as error:  # of the network, of the cache, of an answer that is none
        if getattr(error, "errno", None) == errno.EFBIG:
            raise PortError(None, "the hub sends more bytes than it states") from None
        why = error.__cause__ or error
        what = f"cannot be fetched ({type(why).__name__}: {printable(why)})"
        raise PortError(None, what, "Look at the connection and at HF_ENDPOINT") from None
