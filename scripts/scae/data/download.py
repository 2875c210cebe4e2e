"""Resumable, checked downloads."""

import hashlib
import logging
from pathlib import Path

import requests
from tenacity import before_sleep_log, retry, retry_if_exception, stop_after_attempt, wait_exponential

from scae.data.counts import sha256 as sha256_of
from scae.errors import UserError

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 16  # what a broken connection can lose
ATTEMPTS = 6
TIMEOUT_S = (10, 60)  # to connect, to the next bytes


def fetch(url, folder, sha256=None, wait_s=1.0):
    """Download a file into a folder unless a good copy is there already.

    Bytes go to ``<name>.part`` first; whatever stops the download, the next call asks the server for the rest only.
    The file takes its final name after its SHA-256 has been checked.

    Args:
        url: address of the file.
        folder: where to keep it, in a subfolder of its own for each address.
        sha256: expected digest in hexadecimal; None takes any file, and downloads it anew at each call.
        wait_s: seconds before the first retry, doubled after each.

    Returns:
        pathlib.Path: the complete file.

    Raises:
        UserError: if the server refuses, stays out of reach, or sends a file with another digest.
    """
    name = url.split("?")[0].rstrip("/").rsplit("/")[-1]
    target = Path(folder) / hashlib.sha256(url.encode()).hexdigest()[:8] / name
    if sha256 is not None and target.exists() and sha256_of(target) == sha256:
        log.info("%s is there already", target)
        return target
    partial = target.with_name(target.name + ".part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    if sha256 is None:
        partial.unlink(missing_ok=True)  # nothing could tell whether it is the beginning of the same file
    attempts = retry(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=wait_s, max=60),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    try:
        attempts(_download_rest)(url, partial)
    except requests.RequestException as error:
        raise UserError(
            f"{url}: download failed ({error}). Run again to go on from here, or fetch the file by other means and "
            "give its path as the source of the data set"
        ) from error
    if sha256 is not None and (found := sha256_of(partial)) != sha256:
        partial.unlink()
        raise UserError(f"{url}: SHA-256 is {found}, expected {sha256}; the file has changed or was damaged on its way")
    return partial.replace(target)


def _may_pass(error):
    """Whether another attempt may help: the connection broke, or the server is busy."""
    if isinstance(error, requests.HTTPError):
        return error.response.status_code >= 500 or error.response.status_code == requests.codes.too_many_requests
    return isinstance(error, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError))


def _download_rest(url, partial):
    done = partial.stat().st_size if partial.exists() else 0
    # "identity": a compressed transfer would make byte offsets meaningless
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all bytes were there; the digest decides
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        to_go = int(response.headers.get("Content-Length", 0))
        log.info("%s %s: %d bytes to go", "resuming" if resumed else "downloading", url, to_go)
        with partial.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
        if partial.stat().st_size - (done if resumed else 0) < to_go:
            raise requests.ConnectionError("the connection closed before the end of the file")
