"""Resumable, checked downloads.

requests does the transfer; this module resumes it: a second part is joined to a first one only if the server says that
both belong to the same file.
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

log = logging.getLogger(__name__)
logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings repeat the URL with its secrets

CHUNK_BYTES = 1 << 16  # lost at most if a connection breaks
ATTEMPTS = 6
TIMEOUT_S = (10, 60)  # to connect, to the next bytes
LONGEST_WAIT_S = 300  # of a Retry-After
LONGEST_NAME = 100
CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
UNSATISFIED = re.compile(r"bytes \*/(\d{1,19})")


class _Temporary(Exception):
    """A failure that another attempt may fix."""


class _Permanent(Exception):
    """A failure that no attempt will fix."""


def fetch(url, folder, sha256=None, wait_s=1.0):
    """Download a file into a folder unless it is there already.

    Bytes are written to ``<name>.part``. If the download stops, the next attempt only requests the rest, provided that
    the server can confirm that the file is unchanged. The file gets its final name once it is complete and its SHA-256
    is checked. Messages never repeat secrets in the URL.

    Args:
        url: of the file.
        folder: to download to; each URL has its own subfolder.
        sha256: expected digest in hexadecimal; None accepts any file and downloads it at each call.
        wait_s: seconds before the first retry, doubled after each.

    Returns:
        pathlib.Path: the complete file.

    Raises:
        UserError: if the server refuses, cannot be reached, or sends another file.
    """
    shown = address.shown(url)
    target = _target(url, folder)
    if sha256 is not None and target.is_file() and address.sha256(target) == sha256:
        log.info("%s is already downloaded", target)
        return target
    try:
        partial = _Partial(target)
        if sha256 is None:
            partial.discard()  # without a digest it may be part of another file
        kept = partial.size()
        _download(url, partial, sha256, wait_s)
        if kept and sha256 is not None and address.sha256(partial.path) != sha256:
            log.warning("the partial download of %s belongs to another file; downloading all of it", shown)
            partial.discard()
            _download(url, partial, sha256, wait_s)
        found = address.sha256(partial.path)
        page = _is_web_page(partial.path)
        if sha256 is not None and found != sha256:
            partial.discard()
            raise UserError(
                f"{shown}: SHA-256 is {found}, expected {sha256}; "
                + ("it is a web page; give the URL of the file" if page else "the file has changed or was damaged")
            )
        if sha256 is None and (page or not partial.size()):
            partial.discard()
            raise UserError(
                f"{shown}: is {'a web page' if page else 'an empty file'}, not data; open it in a browser, and give "
                "the URL of the file itself"
            )
        return partial.finish()
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{error.filename}: blocks the download; delete it and run again") from error


def file_name(url):
    """A safe file name from the last part of a URL."""
    last = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._+-]", "_", last)[-LONGEST_NAME:].lstrip(".-") or "download"


class _Partial:
    """The downloaded part of a file, with the server's validator and length of the file beside it."""

    def __init__(self, target):
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.about = target.with_name(target.name + ".about.part")
        if target.parent.is_symlink():  # writing would follow the link
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
        """Discard what is there and start a new file."""
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
        retry=retry_if_exception(_is_temporary),
        stop=stop_after_attempt(ATTEMPTS),
        wait=lambda state: max(exponential(state), _asked_to_wait(state.outcome.exception())),
        before_sleep=lambda state: log.warning(
            "%s: %s; trying again in %.0f s", shown, _reason(state.outcome.exception()), state.next_action.sleep
        ),
        reraise=True,
    )
    try:
        attempts(_download_rest, url, partial, sha256)
    except (requests.RequestException, urllib3.exceptions.HTTPError, _Temporary, _Permanent) as error:
        raise UserError(
            f"{shown}: download failed ({_reason(error)}); run again to resume, or download the file by other means "
            "and give its path as source"
        ) from None


def _download_rest(url, partial, sha256):
    if partial.size() and sha256 is None and partial.known["validator"] is None:
        partial.discard()
    done = partial.size()
    # "identity", since byte offsets are meaningless in a compressed transfer
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    if done and partial.known["validator"]:
        headers["If-Range"] = partial.known["validator"]
    with _get(url, headers) as response:
        status, total = response.status_code, None
        if status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            ended = UNSATISFIED.fullmatch(response.headers.get("Content-Range", ""))
            if (ended and int(ended[1]) == done) or (sha256 is not None and address.sha256(partial.path) == sha256):
                return
            partial.discard()
            raise _Temporary("the file on the server is shorter than the downloaded part")
        if status >= http.HTTPStatus.BAD_REQUEST:
            response.raise_for_status()
        encoded = _encoding(response, partial.target.name)
        if status == http.HTTPStatus.PARTIAL_CONTENT and done:
            total = _total_of_rest(response, partial, done, encoded)
        elif status == http.HTTPStatus.OK:
            length = _length(response)
            if length is None and not response.raw.chunked and sha256 is None:
                raise _Permanent(
                    "the server does not give the file size, so a broken transfer could not be detected; set sha256"
                )
            total = None if encoded else length
            partial.begin(None if encoded else _validator(response), total)
            done = 0
        else:
            raise _Permanent(f"the server answered {_status(status)}, not the file")
        log.info("%s %s", "resuming" if done else "downloading", address.shown(url))
        try:
            with partial.open() as file:
                for chunk in response.raw.stream(CHUNK_BYTES, decode_content=encoded):
                    file.write(chunk)
        except BaseException:
            if encoded:
                partial.discard()  # offsets would be in compressed bytes
            raise
        if total is not None and partial.size() != total:
            raise _Temporary("the connection closed before the end of the file")


def _get(url, headers):
    try:
        return requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S)
    except (
        *(requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema),
        *(urllib3.exceptions.LocationValueError, ValueError),
    ):
        raise _Permanent("it redirects to something other than a web address") from None
    except requests.exceptions.InvalidHeader:
        raise _Permanent("the answer of the server is invalid") from None


def _total_of_rest(response, partial, done, encoded):
    """Length of the whole file, of which a response holds the rest; starts over if it is another file."""
    part = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    total = int(part[3]) if part and part[3] != "*" else None
    same = all(
        known is None or found is None or known == found
        for known, found in ((partial.known["validator"], _validator(response)), (partial.known["total"], total))
    )
    end = int(part[2]) + 1 if part else None
    if not part or int(part[1]) != done or not same or encoded or (total is not None and end != total):
        partial.discard()
        raise _Temporary("the server did not send the rest of the file")
    return end


def _validator(response):
    """The validator of a file: a strong ETag, or the time of its last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _length(response):
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _encoding(response, name):
    """Whether the transfer is compressed; many servers say so when they send a .gz unchanged."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity") or (encoding in ("gzip", "x-gzip") and name.endswith((".gz", ".tgz"))):
        return False
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise _Permanent("the server compresses the transfer in an unknown way")
    return True


def kept(url, folder, sha256=None):
    """The file that an earlier `fetch` downloaded; fetched again if it is missing."""
    target = _target(url, folder)
    return target if target.is_file() else fetch(url, folder, sha256)


def _target(url, folder):
    return Path(folder) / hashlib.sha256(url.encode()).hexdigest()[:8] / file_name(url)


def _is_temporary(error):
    """Whether another attempt may succeed: the connection broke, or the server is busy."""
    if isinstance(error, requests.HTTPError):
        busy = error.response.status_code >= 500 or error.response.status_code == http.HTTPStatus.TOO_MANY_REQUESTS
        return busy and _asked_to_wait(error) <= LONGEST_WAIT_S
    if isinstance(error, requests.exceptions.SSLError):
        return False
    if isinstance(error, urllib3.exceptions.DecodeError):
        return False
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, (*broken, urllib3.exceptions.HTTPError, _Temporary))


def _asked_to_wait(error):
    """Seconds of the Retry-After of a busy server, 0 without one."""
    text = error.response.headers.get("Retry-After", "") if isinstance(error, requests.HTTPError) else ""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0)
    except (ValueError, TypeError, OverflowError):
        return 0


def _reason(error):
    """Why a download failed; the messages of the libraries would repeat the URL."""
    if isinstance(error, (_Temporary, _Permanent)):
        return str(error)
    if isinstance(error, requests.HTTPError):
        wait = _asked_to_wait(error)
        return _status(error.response.status_code) + (f", try again in {wait:.0f} s" if wait > LONGEST_WAIT_S else "")
    if isinstance(error, urllib3.exceptions.DecodeError):
        return "it sends invalid compressed data"
    if isinstance(error, requests.TooManyRedirects):
        return "it redirects too often"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "the host does not exist"
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, requests.RequestException):
            return os.strerror(cause.errno).lower()
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused it"
    return "the connection closed before the end of the file"


def _causes(error):
    """An error and its causes; urllib3 keeps some in an attribute, some in the arguments."""
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
