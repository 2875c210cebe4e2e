"""Downloads from servers that are wrong or hostile: never a mixture of two files, never a secret in a message."""

import gzip
import hashlib
import os
import time
from email.utils import formatdate

import pytest
from server import CONTENT, serving

from scae.errors import UserError
from scae.sources import download

DIGEST = hashlib.sha256(CONTENT).hexdigest()
ALL, HALF = len(CONTENT), 100_000
TAG = {"ETag": '"one"'}
WHOLE = {"headers": {"Content-Length": ALL, **TAG}, "body": "0:"}
CUT = {"headers": {"Content-Length": ALL, **TAG}, "body": f"0:{HALF}"}
REST = {"status": 206, "headers": {"Content-Range": f"bytes {HALF}-{ALL - 1}/{ALL}", **TAG}, "body": f"{HALF}:"}


def fetch(answers, folder, sha256=None, path="/counts.h5ad"):
    with serving(answers) as server:
        found = download.fetch(server.url(path), folder, sha256, wait_s=0)
    return found.read_bytes(), server.requests


@pytest.mark.parametrize("digest", [None, DIGEST])
@pytest.mark.parametrize("validator", [TAG, {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}])
def test_the_rest_is_asked_for_only_of_the_same_file(validator, digest, tmp_path):
    cut, rest = ({**answer, "headers": {**answer["headers"]}} for answer in (CUT, REST))
    for answer in (cut, rest):
        del answer["headers"]["ETag"]
        answer["headers"] |= validator
    content, requests = fetch([cut, rest], tmp_path, digest)
    assert content == CONTENT
    assert requests[1]["Range"] == f"bytes={HALF}-"
    assert requests[1]["If-Range"] == next(iter(validator.values()))


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
def test_another_part_than_was_asked_for_is_never_joined(wrong, digest, tmp_path):
    headers = {name: value for name, value in {**REST["headers"], **wrong}.items() if value is not None}
    content, requests = fetch([CUT, {**REST, "headers": headers}, WHOLE], tmp_path, digest)
    assert content == CONTENT
    assert "Range" not in requests[2]


def test_a_file_that_changes_between_the_tries_is_the_new_one(tmp_path):
    new = {"headers": {"Content-Length": 5, "ETag": '"two"'}, "text": "fresh"}
    assert fetch([CUT, new], tmp_path)[0] == b"fresh"


def test_without_a_mark_of_the_file_nothing_is_joined(tmp_path):
    cut = {"headers": {"Content-Length": ALL}, "body": f"0:{HALF}"}
    weak = {"headers": {"Content-Length": ALL, "ETag": 'W/"one"'}, "body": f"0:{HALF}"}
    content, requests = fetch([cut, weak, WHOLE], tmp_path)
    assert content == CONTENT
    assert all("Range" not in asked for asked in requests)


@pytest.mark.parametrize("headers", [{}, {"Content-Range": f"bytes */{HALF - 1}"}, {"Content-Range": "bytes */*"}])
def test_no_such_range_is_not_the_end_of_the_file(headers, tmp_path):
    assert fetch([CUT, {"status": 416, "headers": headers}, WHOLE], tmp_path)[0] == CONTENT


def test_no_such_range_is_the_end_where_the_server_says_so(tmp_path):
    cut = {"headers": {"Content-Length": 9, **TAG}, "text": "12345"}
    ended = {"status": 416, "headers": {"Content-Range": "bytes */5"}}
    assert fetch([cut, ended], tmp_path)[0] == b"12345"


@pytest.mark.parametrize("length", ["abc", "-5", "9" * 5000])
def test_a_length_that_is_none_is_no_length(length, tmp_path):
    answer = {"headers": {"Content-Length": length}, "body": "0:"}
    assert fetch([answer], tmp_path, DIGEST)[0] == CONTENT
    with pytest.raises(UserError, match="does not say how long the file is"):
        fetch([answer], tmp_path)


def test_a_gz_that_is_called_compressed_is_kept_as_it_is(tmp_path):
    headers = {"Content-Length": ALL, "Content-Encoding": "x-gzip"}
    assert fetch([{"headers": headers, "body": "0:"}], tmp_path, DIGEST, "/counts.tar.gz")[0] == CONTENT


def test_what_is_compressed_on_its_way_is_decompressed(tmp_path):
    body = gzip.compress(CONTENT)
    headers = {"Content-Length": len(body), "Content-Encoding": "gzip", **TAG}
    cut = {"headers": headers, "body": body[:500]}
    content, requests = fetch([cut, {"headers": headers, "body": body}], tmp_path)
    assert content == CONTENT
    assert all("Range" not in asked for asked in requests)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/{'a' * 300}.h5ad", f"{'a' * 95}.h5ad"),
        ("/..", "download"),
        ("/%2e%2e%2fx.csv", "_x.csv"),
        ("/", "download"),
        ("/a%0Ab%1b.csv#top", "a_b_.csv"),
        ("/.hidden/", "hidden"),
        ("/pbmc3k_filtered.tar.gz?x=/y", "pbmc3k_filtered.tar.gz"),
    ],
)
def test_no_address_gives_a_name_that_leads_elsewhere(path, name, tmp_path):
    assert download.file_name(f"https://host{path}") == name
    assert fetch([WHOLE], tmp_path, path=path)[0] == CONTENT
    assert {file.parent.parent for file in tmp_path.rglob("*") if file.is_file()} == {tmp_path}


def places(folder, url):
    target = folder / hashlib.sha256(url.encode()).hexdigest()[:8] / "counts.h5ad"
    return target, target.with_name("counts.h5ad.part"), target.with_name("counts.h5ad.about.part")


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("digest", [None, DIGEST])
def test_a_link_in_the_place_of_the_file_is_not_written_through(link, which, digest, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    with serving([WHOLE]) as server:
        place = places(tmp_path / "download", server.url())[which]
        place.parent.mkdir(parents=True)
        link(victim, place)
        assert download.fetch(server.url(), tmp_path / "download", digest, wait_s=0).read_bytes() == CONTENT
    assert victim.read_bytes() == b"precious"


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving([WHOLE]) as server:
        folder = places(tmp_path / "download", server.url())[0].parent
        folder.parent.mkdir()
        folder.symlink_to(elsewhere)
        download.fetch(server.url(), tmp_path / "download", wait_s=0)
    assert not list(elsewhere.iterdir())


def test_a_pipe_in_the_place_of_the_file_is_no_trap(tmp_path):
    with serving([WHOLE]) as server:
        partial = places(tmp_path, server.url())[1]
        partial.parent.mkdir()
        os.mkfifo(partial)
        assert download.fetch(server.url(), tmp_path, DIGEST, wait_s=0).read_bytes() == CONTENT


@pytest.mark.parametrize("make", ["counts.h5ad", ""])
def test_a_folder_or_file_in_the_way_is_named(make, tmp_path):
    with serving([WHOLE]) as server:
        target = places(tmp_path, server.url())[0]
        if make:
            target.mkdir(parents=True)
            (target / "full").touch()
        else:
            target.parent.touch()
        with pytest.raises(UserError, match="stands where a download belongs; delete it"):
            download.fetch(server.url(), tmp_path, DIGEST, wait_s=0)


def busy(after):
    return {"status": 503, "headers": {"Content-Length": 0, "Retry-After": after}}


def test_a_busy_server_is_given_the_time_that_it_asks_for(tmp_path):
    start = time.monotonic()
    assert fetch([busy(1), WHOLE], tmp_path)[0] == CONTENT
    assert time.monotonic() - start >= 1
    assert fetch([busy(formatdate(0, usegmt=True)), busy("soon"), WHOLE], tmp_path)[0] == CONTENT


def test_a_server_that_asks_for_too_much_time_is_asked_once(tmp_path):
    with pytest.raises(UserError, match=r"503 Service Unavailable, try again in 4000 s") as caught:
        fetch([busy(4000)], tmp_path)
    assert "\n" not in str(caught.value)


SECRET = "s3cret"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "headers": {"Content-Length": 0}},
        {"status": 503, "headers": {"Content-Length": 0}},
        {"status": 302, "headers": {"Location": f"http://u:{SECRET}@127.0.0.1:1/x?t={SECRET}", "Content-Length": 0}},
        {"status": 302, "headers": {"Location": f"file:///etc/{SECRET}", "Content-Length": 0}},
        {"status": 302, "headers": {"Location": f"http://[{SECRET}", "Content-Length": 0}},
        {"status": 302, "headers": {"Location": f"/{SECRET}", "Content-Length": 0}},
        {"headers": {"Content-Length": 3}, "text": "ab"},
        {"headers": {"Content-Length": 0}},
    ],
    ids=str,
)
def test_no_message_repeats_a_secret(answer, tmp_path, caplog):
    with pytest.raises(UserError) as caught:
        fetch([answer], tmp_path, path=f"/counts.h5ad?token={SECRET}")
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text
    assert "\n" not in str(caught.value)
    assert not any(SECRET in path.name for path in tmp_path.rglob("*"))


def test_user_and_password_may_stand_in_netrc(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    _, requests = fetch([WHOLE], tmp_path / "download")
    assert requests[0]["Authorization"].startswith("Basic ")
