"""Resumable, checked downloads."""

import logging
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tenacity import before_sleep_log, retry, retry_if_exception_type, stop_after_attempt, wait_exponential
from urllib3.util.retry import Retry

from scae.counts import sha256 as sha256_of
from scae.errors import UserError

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
ATTEMPTS = 6
TIMEOUT_S = (10, 60)  # to connect, to the next bytes
TRANSIENT = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


def fetch(url, folder, sha256=None, wait_s=1.0):
    """Download a file into a folder unless a good copy is there already.

    Bytes go to ``<name>.part`` first; whatever stops the download, the next call asks the server for the rest only.
    The file takes its final name after its SHA-256 has been checked.

    Args:
        url: address of the file.
        folder: where to keep it.
        sha256: expected digest in hexadecimal; None takes any file.
        wait_s: seconds before the first retry, doubled after each.

    Returns:
        pathlib.Path: the complete file.

    Raises:
        UserError: if the server refuses, stays out of reach, or sends a file with another digest.
    """
    target = Path(folder) / url.rsplit("?")[0].rstrip("/").rsplit("/")[-1]
    if target.exists() and (sha256 is None or sha256_of(target) == sha256):
        log.info("%s is there already", target)
        return target
    partial = target.with_name(target.name + ".part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    attempts = retry(
        retry=retry_if_exception_type(TRANSIENT),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=wait_s, max=60),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    try:
        attempts(_download_rest)(url, partial, wait_s)
    except requests.RequestException as error:
        raise UserError(
            f"{url}: download failed ({error}). Run again to go on from here, or fetch the file by other means and "
            "give its path as the source of the data set"
        ) from error
    if sha256 is not None and (found := sha256_of(partial)) != sha256:
        partial.unlink()
        raise UserError(f"{url}: SHA-256 is {found}, expected {sha256}; the file has changed or was damaged on its way")
    partial.rename(target)
    return target


def _download_rest(url, partial, wait_s):
    done = partial.stat().st_size if partial.exists() else 0
    with requests.Session() as session:
        session.mount(
            url, HTTPAdapter(max_retries=Retry(ATTEMPTS, backoff_factor=wait_s, status_forcelist=(429, 500, 502, 503)))
        )
        # "identity": a compressed transfer would make byte offsets meaningless
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
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
