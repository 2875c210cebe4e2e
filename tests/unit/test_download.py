"""Downloads resume, retry and check digests; never a mix of two files, never a secret in a message."""

import gzip
import hashlib
import os
import time
from email.utils import formatdate

import pytest
from server import CONTENT, serving
from small_data import line_of

from scae.errors import UserError
from scae.sources import download

DIGEST = hashlib.sha256(CONTENT).hexdigest()
ALL, HALF = len(CONTENT), 100_000
TAG = {"ETag": '"one"'}
WHOLE = {"headers": {"Content-Length": ALL, **TAG}, "body": "0:"}
CUT = {"headers": {"Content-Length": ALL, **TAG}, "body": f"0:{HALF}"}
NOT_FOUND, BUSY = ({"status": status, "headers": {"Content-Length": 0}} for status in (404, 503))
SECRET = "s3cret"


def rest(start=HALF, **headers):
    """The answer with the rest of the file; a header of None is removed."""
    headers = {"Content-Range": f"bytes {start}-{ALL - 1}/{ALL}", **TAG} | headers
    headers = {name: value for name, value in headers.items() if value is not None}
    return {"status": 206, "headers": headers, "body": f"{start}:"}


def fetch(answers, folder, sha256=None, path="/counts.h5ad"):
    """(content of the file, headers of the requests)."""
    with serving(answers) as server:
        found = download.fetch(server.url(path), folder, sha256, wait_s=0)
    assert not list(folder.rglob("*.part"))
    return found.read_bytes(), server.requests


def refused(answers, folder, sha256=None, path="/counts.h5ad"):
    """(message, number of requests) of a failed download, which leaves no file under its final name."""
    with serving(answers) as server, pytest.raises(UserError) as caught:
        download.fetch(server.url(path), folder, sha256, wait_s=0)
    assert not [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".part"]
    return line_of(caught), len(server.requests)


def places(folder, url):
    target = folder / hashlib.sha256(url.encode()).hexdigest()[:8] / "counts.h5ad"
    return target, target.with_name("counts.h5ad.part"), target.with_name("counts.h5ad.about.part")


# Resuming


@pytest.mark.parametrize("digest", [None, DIGEST])
@pytest.mark.parametrize("validator", [TAG, {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}])
def test_only_the_rest_of_the_same_file_is_requested(validator, digest, tmp_path):
    cut = {"headers": {"Content-Length": ALL, **validator}, "body": f"0:{HALF}"}
    content, requests = fetch([cut, rest(**{"ETag": None} | validator)], tmp_path, digest)
    assert content == CONTENT
    assert requests[0]["Accept-Encoding"] == "identity"
    assert (requests[1]["Range"], requests[1]["If-Range"]) == (f"bytes={HALF}-", next(iter(validator.values())))


@pytest.mark.parametrize("digest", [None, DIGEST])
@pytest.mark.parametrize(
    "wrong",
    [
        {"Content-Range": f"bytes 0-{ALL - 1}/{ALL}"},
        {"Content-Range": f"bytes {HALF + 1}-{ALL - 1}/{ALL}"},
        {"Content-Range": f"bytes {HALF}-{ALL - 2}/{ALL}"},
        {"Content-Range": f"bytes {HALF}-{ALL}/{ALL + 1}"},
        {"Content-Range": "nonsense"},
        {"Content-Range": f"bytes {HALF}-{'9' * 5000}/*"},
        {"Content-Range": None},
        {"ETag": '"two"'},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_any_other_part_is_not_joined(wrong, digest, tmp_path):
    content, requests = fetch([CUT, rest(**wrong), WHOLE], tmp_path, digest)
    assert content == CONTENT
    assert "Range" not in requests[2]


def test_a_file_that_changes_between_attempts_is_the_new_one(tmp_path):
    new = {"headers": {"Content-Length": 5, "ETag": '"two"'}, "text": "fresh"}
    assert fetch([CUT, new], tmp_path)[0] == b"fresh"


def test_without_a_validator_nothing_is_joined(tmp_path):
    cut = {"headers": {"Content-Length": ALL}, "body": f"0:{HALF}"}
    weak = {"headers": {"Content-Length": ALL, "ETag": 'W/"one"'}, "body": f"0:{HALF}"}
    content, requests = fetch([cut, weak, WHOLE], tmp_path)
    assert content == CONTENT
    assert all("Range" not in asked for asked in requests)


@pytest.mark.parametrize("headers", [{}, {"Content-Range": f"bytes */{HALF - 1}"}, {"Content-Range": "bytes */*"}])
def test_status_416_is_not_the_end_of_the_file(headers, tmp_path):
    assert fetch([CUT, {"status": 416, "headers": headers}, WHOLE], tmp_path)[0] == CONTENT


def test_status_416_is_the_end_if_the_server_says_so(tmp_path):
    cut = {"headers": {"Content-Length": 9, **TAG}, "text": "12345"}
    assert fetch([cut, {"status": 416, "headers": {"Content-Range": "bytes */5"}}], tmp_path)[0] == b"12345"


def test_a_later_call_resumes(tmp_path):
    with serving([CUT, *[BUSY] * 5, rest()]) as server:
        with pytest.raises(UserError, match="run again to resume"):
            download.fetch(server.url(), tmp_path, DIGEST, wait_s=0)
        assert len(server.requests) == download.ATTEMPTS == 6
        assert download.fetch(server.url(), tmp_path, DIGEST, wait_s=0).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == f"bytes={HALF}-"


@pytest.mark.parametrize(
    ("part", "answers", "n_requests"),
    [
        (CONTENT, [{"status": 416, "headers": {}}], 1),
        (b"x" * HALF, [rest(), WHOLE], 2),  # of another file
        (CONTENT[:HALF], [WHOLE], 1),  # the server cannot resume
    ],
)
def test_a_part_from_an_earlier_run(part, answers, n_requests, tmp_path):
    with serving(answers) as server:
        partial = places(tmp_path, server.url())[1]
        partial.parent.mkdir()
        partial.write_bytes(part)
        assert download.fetch(server.url(), tmp_path, DIGEST, wait_s=0).read_bytes() == CONTENT
    assert server.requests[0]["Range"] == f"bytes={len(part)}-"
    assert len(server.requests) == n_requests


# Which file is kept


def test_with_a_digest_a_good_copy_is_kept_and_a_damaged_one_replaced(tmp_path):
    with serving([WHOLE]) as server:
        path = download.fetch(server.url(), tmp_path, DIGEST)
        assert download.fetch(server.url(), tmp_path, DIGEST) == path
        assert download.kept(server.url(), tmp_path, DIGEST) == path
        assert len(server.requests) == 1
        path.write_bytes(b"damaged")
        assert download.fetch(server.url(), tmp_path, DIGEST).read_bytes() == CONTENT
        assert len(server.requests) == 2


def test_without_a_digest_every_call_downloads_unless_a_kept_file_will_do(tmp_path):
    with serving([WHOLE]) as server:
        path = download.fetch(server.url(), tmp_path)
        assert download.fetch(server.url(), tmp_path) == path
        assert download.kept(server.url(), tmp_path) == path
        assert len(server.requests) == 2
        path.unlink()
        assert download.kept(server.url(), tmp_path).read_bytes() == CONTENT
        assert ["Range" in asked for asked in server.requests] == [False] * 3
        assert download.fetch(server.url("/other/counts.h5ad"), tmp_path) != path


@pytest.mark.parametrize("length", ["abc", "-5", "9" * 5000])
def test_an_invalid_length_is_no_length(length, tmp_path):
    answer = {"headers": {"Content-Length": length}, "body": "0:"}
    assert fetch([answer], tmp_path / "digest", DIGEST)[0] == CONTENT
    assert "does not give the file size" in refused([answer], tmp_path / "none")[0]


def test_a_gz_that_is_called_compressed_is_kept_as_it_is(tmp_path):
    headers = {"Content-Length": ALL, "Content-Encoding": "x-gzip"}
    assert fetch([{"headers": headers, "body": "0:"}], tmp_path, DIGEST, "/counts.tar.gz")[0] == CONTENT


def test_a_compressed_transfer_is_decompressed(tmp_path):
    body = gzip.compress(CONTENT)
    headers = {"Content-Length": len(body), "Content-Encoding": "gzip", **TAG}
    content, requests = fetch([{"headers": headers, "body": body[:500]}, {"headers": headers, "body": body}], tmp_path)
    assert content == CONTENT
    assert all("Range" not in asked for asked in requests)


# Failures


@pytest.mark.parametrize(
    ("answer", "digest", "n_requests", "says"),
    [
        ({"status": 401, "headers": {"Content-Length": 0}}, None, 1, "401 Unauthorized"),
        ({"status": 403, "headers": {"Content-Length": 0}}, None, 1, "403 Forbidden"),
        (NOT_FOUND, None, 1, "404 Not Found"),
        ({"status": 204, "headers": {}}, None, 1, "204 No Content"),
        (rest(0), None, 1, "206 Partial Content"),  # not requested
        (BUSY, None, 6, "503 Service Unavailable"),
        ({"status": 429, "headers": {"Content-Length": 0}}, None, 6, "429"),
        ({"status": 500, "headers": {"Content-Length": 0}}, None, 6, "500 Internal Server Error"),
        ({"status": 503, "headers": {"Content-Length": 0, "Retry-After": 4000}}, None, 1, "try again in 4000 s"),
        (CUT | {"headers": {"Content-Length": ALL}}, None, 6, "connection closed before the end"),
        ({"headers": {"Content-Length": 0}}, None, 1, "is an empty file"),
        ({"headers": {"Content-Length": 20}, "text": "<!DOCTYPE html><html"}, None, 1, "is a web page"),
        ({"headers": {"Content-Length": 20}, "text": "<!DOCTYPE html><html"}, DIGEST, 1, "it is a web page"),
        (WHOLE, "0" * 64, 1, f"SHA-256 is {DIGEST}, expected {'0' * 64}"),
        ({"headers": {"Content-Encoding": "br", "Content-Length": 3}, "text": "abc"}, None, 1, "in an unknown way"),
        ({"headers": {"Content-Encoding": "gzip", "Content-Length": 3}, "text": "abc"}, None, 1, "invalid compressed"),
        (
            {"status": 302, "headers": {"Location": f"/{SECRET}", "Content-Length": 0}},
            None,
            None,
            "redirects too often",
        ),
        ({"status": 302, "headers": {"Location": f"file:///{SECRET}", "Content-Length": 0}}, None, 1, "web address"),
        ({"status": 302, "headers": {"Location": f"http://[{SECRET}", "Content-Length": 0}}, None, 1, "web address"),
        (
            {
                "status": 302,
                "headers": {"Location": f"http://u:{SECRET}@127.0.0.1:1/x?t={SECRET}", "Content-Length": 0},
            },
            *(None, 6, "connection refused"),
        ),
    ],
    ids=str,
)
def test_failures_are_one_line_without_secrets(answer, digest, n_requests, says, tmp_path, caplog):
    message, asked = refused([answer], tmp_path, digest, path=f"/counts.h5ad?token={SECRET}")
    assert says in message
    assert "/counts.h5ad: " in message
    assert n_requests in (None, asked)
    assert SECRET not in message + caplog.text
    assert not any(SECRET in path.name for path in tmp_path.rglob("*"))


def test_hosts_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    for url, says in (
        ("http://127.0.0.1:1/a", "connection refused"),
        ("http://nowhere.invalid/a", "host does not exist"),
    ):
        with pytest.raises(UserError, match=f"^{url}: download failed .*{says}"):
            download.fetch(url, tmp_path, wait_s=0)


def test_retry_after_is_respected(tmp_path):
    def busy(after):
        return {"status": 503, "headers": {"Content-Length": 0, "Retry-After": after}}

    start = time.monotonic()
    assert fetch([busy(1), WHOLE], tmp_path)[0] == CONTENT
    assert time.monotonic() - start >= 1
    assert fetch([busy(formatdate(0, usegmt=True)), busy("soon"), WHOLE], tmp_path)[0] == CONTENT


def test_user_and_password_may_be_in_netrc(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert fetch([WHOLE], tmp_path / "download")[1][0]["Authorization"].startswith("Basic ")


# Where it is written


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/{'a' * 300}.h5ad", f"{'a' * 95}.h5ad"),
        ("/..", "download"),
        ("/%2e%2e%2fx.csv", "_x.csv"),
        ("/a%0Ab%1b.csv#top", "a_b_.csv"),
        ("/.hidden/", "hidden"),
        ("/pbmc3k_filtered.tar.gz?x=/y", "pbmc3k_filtered.tar.gz"),
    ],
)
def test_file_names_are_safe(path, name, tmp_path):
    assert download.file_name(f"https://host{path}") == name
    assert fetch([WHOLE], tmp_path, path=path)[0] == CONTENT
    assert {(file.parent.parent, file.name) for file in tmp_path.rglob("*") if file.is_file()} == {(tmp_path, name)}


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("digest", [None, DIGEST])
def test_links_in_place_of_a_file_are_not_followed(link, which, digest, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    with serving([WHOLE]) as server:
        place = places(tmp_path / "download", server.url())[which]
        place.parent.mkdir(parents=True)
        link(victim, place)
        assert download.fetch(server.url(), tmp_path / "download", digest, wait_s=0).read_bytes() == CONTENT
    assert victim.read_bytes() == b"precious"


def test_links_and_pipes_in_place_of_folder_and_part(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving([WHOLE]) as server:
        partial = places(tmp_path / "download", server.url())[1]
        partial.parent.parent.mkdir()
        partial.parent.symlink_to(elsewhere)
        path = download.fetch(server.url(), tmp_path / "download", wait_s=0)
        assert not list(elsewhere.iterdir())
        path.unlink()
        os.mkfifo(partial)
        assert download.fetch(server.url(), tmp_path / "download", DIGEST, wait_s=0).read_bytes() == CONTENT


@pytest.mark.parametrize("folder", [True, False])
def test_a_folder_or_file_that_blocks_the_download_is_named(folder, tmp_path):
    with serving([WHOLE]) as server:
        target = places(tmp_path, server.url())[0]
        if folder:
            target.mkdir(parents=True)
            (target / "full").touch()
        else:
            target.parent.touch()
        with pytest.raises(UserError, match="blocks the download; delete it"):
            download.fetch(server.url(), tmp_path, DIGEST, wait_s=0)
