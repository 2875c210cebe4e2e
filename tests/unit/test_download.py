"""Downloads resume, retry what may pass, and give a file its name only when its digest is right."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scae.errors import UserError
from scae.sources import download

CONTENT = bytes(number * 7 % 251 for number in range(1_000_000))
DIGEST = hashlib.sha256(CONTENT).hexdigest()
CUT = 300_000  # bytes that a response with the plan "cut" carries
LOST = 65_536  # bytes on their way when a connection breaks, that may be sent twice


class Handler(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        server.encodings.append(self.headers.get("Accept-Encoding"))
        plan = server.plan.pop(0) if server.plan else "ok"
        if isinstance(plan, int):
            self.send_response(plan)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = offset_of(asked) if server.resumes else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        body = CONTENT[start:]
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        body = body[:CUT] if plan == "cut" else body
        server.served += len(body)  # before the last byte lets the client go on
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """A server of CONTENT; ``plan`` holds what it does with the next requests: "cut", a status, or "ok"."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.plan, server.ranges, server.encodings, server.served, server.resumes = [], [], [], 0, True
        server.url = f"http://127.0.0.1:{server.server_address[1]}/files/counts.tar.gz"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def fetch(server, folder, sha256=DIGEST, url=None):
    return download.fetch(url or server.url, folder, sha256, wait_s=0.01)


def offset_of(asked):
    """First byte that a Range header asks for."""
    return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0


def named_files(folder):
    """What stands under a final name."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part"]


def test_a_file_arrives_under_its_own_name(server, tmp_path):
    path = fetch(server, tmp_path / "new" / "folder")
    assert path.name == "counts.tar.gz"
    assert path.read_bytes() == CONTENT
    assert not list(tmp_path.rglob("*.part"))
    assert server.ranges == [None]


def test_what_was_fetched_is_kept_and_fetched_again_only_if_it_is_gone(server, tmp_path):
    path = fetch(server, tmp_path, sha256=None)
    assert download.kept(server.url, tmp_path) == path
    assert len(server.ranges) == 1
    path.unlink()
    assert download.kept(server.url, tmp_path).read_bytes() == CONTENT
    assert len(server.ranges) == 2


def test_a_query_is_no_part_of_the_name(server, tmp_path):
    assert fetch(server, tmp_path, url=f"{server.url}?token=a/b").name == "counts.tar.gz"


def test_addresses_that_end_alike_do_not_share_a_file(server, tmp_path):
    other = server.url.replace("files", "others")
    assert fetch(server, tmp_path) != fetch(server, tmp_path, url=other)


def test_a_cut_connection_is_resumed_where_it_broke(server, tmp_path):
    server.plan = ["cut", "cut"]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    offsets = [offset_of(asked) for asked in server.ranges]
    assert offsets[0] == 0
    assert CUT - LOST <= offsets[1] <= CUT
    assert offsets[1] + CUT - LOST <= offsets[2] <= offsets[1] + CUT
    assert server.served == len(CONTENT) + (CUT - offsets[1]) + (offsets[1] + CUT - offsets[2])


def test_bytes_are_counted_uncompressed(server, tmp_path):
    fetch(server, tmp_path)
    assert server.encodings == ["identity"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.plan = ["cut", *[503] * 20]
    with pytest.raises(UserError, match="Run again"):
        fetch(server, tmp_path)
    assert not named_files(tmp_path)
    server.plan = []
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert CUT - LOST <= offset_of(server.ranges[-1]) <= CUT
    assert server.served <= len(CONTENT) + LOST


def test_a_line_that_breaks_again_and_again_still_makes_progress(server, tmp_path):
    server.plan = ["cut"] * 3
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    offsets = [offset_of(asked) for asked in server.ranges]
    assert offsets == sorted(set(offsets))


def test_a_server_that_cannot_resume_sends_all_again(server, tmp_path):
    server.resumes = False
    server.plan = ["cut"]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.ranges) == 2
    assert server.served == CUT + len(CONTENT)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status, server, tmp_path):
    server.plan = [status, status]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.ranges) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(status, server, tmp_path):
    server.plan = [status] * 10
    with pytest.raises(UserError) as caught:
        fetch(server, tmp_path)
    assert len(server.ranges) == 1
    assert server.url in str(caught.value)
    assert str(status) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not named_files(tmp_path)


def test_a_server_that_never_recovers_is_given_up(server, tmp_path):
    server.plan = [503] * 100
    with pytest.raises(UserError, match="503"):
        fetch(server, tmp_path)
    assert len(server.ranges) == download.ATTEMPTS


def test_a_server_out_of_reach_is_one_line(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError) as caught:
        fetch(server, tmp_path)
    assert server.url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_digest_leaves_nothing_under_the_final_name(server, tmp_path):
    with pytest.raises(UserError, match=DIGEST) as caught:
        fetch(server, tmp_path, sha256="0" * 64)
    assert "0" * 64 in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_good_copy_is_not_asked_for(server, tmp_path):
    first = fetch(server, tmp_path)
    changed = first.stat().st_mtime_ns
    assert fetch(server, tmp_path) == first
    assert first.stat().st_mtime_ns == changed
    assert len(server.ranges) == 1


def test_a_damaged_copy_is_replaced(server, tmp_path):
    path = fetch(server, tmp_path)
    path.write_bytes(b"damaged")
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.ranges) == 2


def test_without_a_digest_every_call_downloads_anew(server, tmp_path):
    for _ in range(2):
        assert fetch(server, tmp_path, sha256=None).read_bytes() == CONTENT
    assert server.ranges == [None, None]


def test_a_complete_part_needs_no_more_bytes(server, tmp_path):
    path = fetch(server, tmp_path)
    path.rename(path.with_name(path.name + ".part"))
    server.served = 0
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.served == 0


@pytest.mark.parametrize("resumes", [True, False])
def test_a_part_of_an_earlier_run_is_completed(resumes, server, tmp_path):
    path = fetch(server, tmp_path)
    path.with_name(path.name + ".part").write_bytes(CONTENT[:CUT])
    path.unlink()
    server.resumes, server.served = resumes, 0
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={CUT}-"
    assert server.served == len(CONTENT) - (CUT if resumes else 0)


def test_a_damaged_part_does_not_stand_in_the_way_for_ever(server, tmp_path):
    path = fetch(server, tmp_path)
    path.with_name(path.name + ".part").write_bytes(b"x" * CUT)
    path.unlink()
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-2:] == [f"bytes={CUT}-", None]
