"""Resumable, checked downloads.

The transfer is by requests. What it leaves to its caller stands here, for no library does it all: a second part is
joined to a first one only where the server says that both are of the same file.
"""

import hashlib
import http
import json
import logging
import os
import re
import socket
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from scae.errors import UserError
from scae.sources import address
from scae.sources.reader import sha256 as sha256_of

log = logging.getLogger(__name__)
logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings repeat the address with all that is in it

CHUNK_BYTES = 1 << 16  # what a broken connection can lose
ATTEMPTS = 6
TIMEOUT_S = (10, 60)  # to connect, to the next bytes
LONGEST_WAIT_S = 300  # that a server may ask for
LONGEST_NAME = 100
CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
UNSATISFIED = re.compile(r"bytes \*/(\d{1,19})")


class _MayPass(Exception):
    """What another attempt may mend."""


class _Refused(Exception):
    """What no other attempt will mend."""


def fetch(url, folder, sha256=None, wait_s=1.0):
    """Download a file into a folder unless a good copy is there already.

    Bytes go to ``<name>.part`` first; whatever stops the download, the next attempt asks the server for the rest only,
    if the server can tell that its file is still the same. The file takes its final name once it is complete and its
    SHA-256 has been checked. No message repeats what may be secret in the address.

    Args:
        url: address of the file.
        folder: where to keep it, in a subfolder of its own for each address.
        sha256: expected digest in hexadecimal; None takes any file, and downloads it anew at each call.
        wait_s: seconds before the first retry, doubled after each.

    Returns:
        pathlib.Path: the complete file.

    Raises:
        UserError: if the server refuses, stays out of reach, or sends another file.
    """
    shown = address.shown(url)
    target = _target(url, folder)
    if sha256 is not None and target.is_file() and sha256_of(target) == sha256:
        log.info("%s is there already", target)
        return target
    try:
        partial = _Partial(target)
        if sha256 is None:
            partial.discard()  # nothing could tell whether it is the beginning of the same file
        kept = partial.size()
        _download(url, partial, sha256, wait_s)
        if kept and sha256 is not None and sha256_of(partial.path) != sha256:
            log.warning("what an earlier run had kept of %s is of another file; downloading all of it", shown)
            partial.discard()
            _download(url, partial, sha256, wait_s)
        found = sha256_of(partial.path)
        page = _is_web_page(partial.path)
        if sha256 is not None and found != sha256:
            partial.discard()
            raise UserError(
                f"{shown}: SHA-256 is {found}, expected {sha256}; "
                + ("it is a web page" if page else "the file has changed or was damaged on its way")
            )
        if sha256 is None and (page or not partial.size()):
            partial.discard()
            raise UserError(
                f"{shown}: is {'a web page' if page else 'an empty file'}, not a file of data; open it in a browser, "
                "and give the address of the file itself"
            )
        return partial.finish()
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{error.filename}: stands where a download belongs; delete it and run again") from error


def file_name(url):
    """The name that a file gets, with its suffix, from the last part of its address."""
    last = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._+-]", "_", last)[-LONGEST_NAME:].lstrip(".-") or "download"


class _Partial:
    """The part of a file that has come, and beside it by what the server tells that file from another."""

    def __init__(self, target):
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.about = target.with_name(target.name + ".about.part")
        if target.parent.is_symlink():  # a link would have the bytes written somewhere else
            target.parent.unlink()
        target.parent.mkdir(parents=True, exist_ok=True)
        for path in (self.path, self.about):
            if path.is_symlink() or (path.exists() and (not path.is_file() or path.stat().st_nlink > 1)):
                path.unlink()
        try:
            self.known = json.loads(self.about.read_text(encoding="utf-8"))
            self.known = {name: self.known.get(name) for name in ("validator", "total")}
        except (OSError, ValueError, AttributeError):
            self.known = {"validator": None, "total": None}

    def size(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, validator, total):
        """Forget what was there; the first bytes of a file come."""
        self.discard()
        self.known = {"validator": validator, "total": total}
        with self.open() as file:
            file.truncate()
        with open(self.about, "x", encoding="utf-8") as about:
            json.dump(self.known, about)

    def open(self):
        return os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666), "ab")

    def discard(self):
        for path in (self.path, self.about):
            path.unlink(missing_ok=True)
        self.known = {"validator": None, "total": None}

    def finish(self):
        self.about.unlink(missing_ok=True)
        return self.path.replace(self.target)


def _download(url, partial, sha256, wait_s):
    shown = address.shown(url)
    exponential = wait_exponential(multiplier=wait_s, max=60)
    attempts = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=lambda state: max(exponential(state), _asked_to_wait(state.outcome.exception())),
        before_sleep=lambda state: log.warning(
            "%s: %s; trying again in %.0f s", shown, _reason(state.outcome.exception()), state.next_action.sleep
        ),
        reraise=True,
    )
    try:
        attempts(_download_rest, url, partial, sha256)
    except (requests.RequestException, urllib3.exceptions.HTTPError, _MayPass, _Refused) as error:
        raise UserError(
            f"{shown}: download failed ({_reason(error)}). Run again to go on from here, or fetch the file by other "
            "means and give its path as the source of the data set"
        ) from None


def _download_rest(url, partial, sha256):
    if partial.size() and sha256 is None and partial.known["validator"] is None:
        partial.discard()
    done = partial.size()
    # "identity": a compressed transfer would make byte offsets meaningless
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    if done and partial.known["validator"]:
        headers["If-Range"] = partial.known["validator"]
    with _get(url, headers) as response:
        status, total = response.status_code, None
        if status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            ended = UNSATISFIED.fullmatch(response.headers.get("Content-Range", ""))
            if (ended and int(ended[1]) == done) or (sha256 is not None and sha256_of(partial.path) == sha256):
                return
            partial.discard()
            raise _MayPass("the server has a shorter file than what came before")
        if status >= http.HTTPStatus.BAD_REQUEST:
            response.raise_for_status()
        encoded = _encoding(response, partial.target.name)
        if status == http.HTTPStatus.PARTIAL_CONTENT and done:
            total = _total_of_rest(response, partial, done, encoded)
        elif status == http.HTTPStatus.OK:
            length = _length(response)
            if length is None and not response.raw.chunked and sha256 is None:
                raise _Refused(
                    "the server does not say how long the file is, so that a broken transfer would go unseen; give its "
                    "sha256"
                )
            total = None if encoded else length
            partial.begin(None if encoded else _validator(response), total)
            done = 0
        else:
            raise _Refused(f"the server answered {_status(status)} and not with the file")
        log.info("%s %s", "resuming" if done else "downloading", address.shown(url))
        try:
            with partial.open() as file:
                for chunk in response.raw.stream(CHUNK_BYTES, decode_content=encoded):
                    file.write(chunk)
        except BaseException:
            if encoded:
                partial.discard()  # offsets are those of the compressed bytes
            raise
        if total is not None and partial.size() != total:
            raise _MayPass("the connection closed before the end of the file")


def _get(url, headers):
    try:
        return requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S)
    except (
        *(requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema),
        *(urllib3.exceptions.LocationValueError, ValueError),
    ):
        raise _Refused("it leads to what is no address of the web") from None
    except requests.exceptions.InvalidHeader:
        raise _Refused("the server's answer makes no sense") from None


def _total_of_rest(response, partial, done, encoded):
    """Length of the whole file of which a response holds the rest; begins anew if it is not the rest of this file."""
    part = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    total = int(part[3]) if part and part[3] != "*" else None
    same = all(
        known is None or found is None or known == found
        for known, found in ((partial.known["validator"], _validator(response)), (partial.known["total"], total))
    )
    end = int(part[2]) + 1 if part else None
    if not part or int(part[1]) != done or not same or encoded or (total is not None and end != total):
        partial.discard()
        raise _MayPass("the server sent something else than the rest of the file")
    return end


def _validator(response):
    """What tells this file from another one at the same address: a strong ETag or the time of its last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _length(response):
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _encoding(response, name):
    """Whether the bytes on their way are compressed; many servers say so of a .gz that is sent as it is."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity") or (encoding in ("gzip", "x-gzip") and name.endswith((".gz", ".tgz"))):
        return False
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise _Refused("the server sends it compressed, although asked not to")
    return True


def kept(url, folder, sha256=None):
    """The file that an earlier `fetch` left in the folder; fetched again if it is gone."""
    target = _target(url, folder)
    return target if target.is_file() else fetch(url, folder, sha256)


def _target(url, folder):
    return Path(folder) / hashlib.sha256(url.encode()).hexdigest()[:8] / file_name(url)


def _may_pass(error):
    """Whether another attempt may help: the connection broke, or the server is busy."""
    if isinstance(error, requests.HTTPError):
        busy = error.response.status_code >= 500 or error.response.status_code == http.HTTPStatus.TOO_MANY_REQUESTS
        return busy and _asked_to_wait(error) <= LONGEST_WAIT_S
    if isinstance(error, requests.exceptions.SSLError):
        return False
    if isinstance(error, urllib3.exceptions.DecodeError):
        return False
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, (*broken, urllib3.exceptions.HTTPError, _MayPass))


def _asked_to_wait(error):
    """Seconds that a busy server asks for (Retry-After), 0 if it does not."""
    text = error.response.headers.get("Retry-After", "") if isinstance(error, requests.HTTPError) else ""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0)
    except (ValueError, TypeError, OverflowError):
        return 0


def _reason(error):
    """Why a download failed, in words of our own: those of the libraries repeat the address."""
    if isinstance(error, (_MayPass, _Refused)):
        return str(error)
    if isinstance(error, requests.HTTPError):
        wait = _asked_to_wait(error)
        return _status(error.response.status_code) + (f", try again in {wait:.0f} s" if wait > LONGEST_WAIT_S else "")
    if isinstance(error, urllib3.exceptions.DecodeError):
        return "what it sends as compressed is not"
    if isinstance(error, requests.TooManyRedirects):
        return "it redirects without an end"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid here"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "there is no such host"
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, requests.RequestException):
            return os.strerror(cause.errno).lower()
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused it"
    return "the connection closed before the end of the file"


def _causes(error):
    """An error and all that stand behind it; urllib3 keeps some in an attribute, some in the arguments."""
    seen, waiting = [], [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and all(one is not other for other in seen):
            seen.append(one)
            yield one
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


def _status(code):
    try:
        return f"{code} {http.HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _is_web_page(path):
    with open(path, "rb") as file:
        start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html"))
