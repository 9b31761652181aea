import hashlib
import http.server
import threading

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxgan.errors import UsageError
from jaxgan.metrics.features.weights import Published, find_weights, load_arrays, sha256_of

CONTENT = bytes(range(256)) * 5000  # more than one chunk


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server():
    """Serves CONTENT as /good.pth, half of what it promises as /short.pth, and else 404."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path != "/none.pth" else 404)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // (2 if self.path == "/short.pth" else 1)])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def published(url: str, content: bytes = CONTENT) -> Published:
    return Published(file="net.pth", url=url, sha256=hashlib.sha256(content).hexdigest())


def test_downloads_once_and_keeps_the_file(cache, server):
    url, asked = server
    first = find_weights(published(f"{url}/good.pth"))
    again = find_weights(published(f"{url}/good.pth"))
    assert first == again and first.verified and asked == ["/good.pth"]
    assert first.path == cache / "net.pth" and first.path.read_bytes() == CONTENT
    assert first.sha256 == sha256_of(first.path) == hashlib.sha256(CONTENT).hexdigest()
    assert [path.name for path in cache.iterdir()] == ["net.pth"]


@pytest.mark.parametrize("name", ["none.pth", "short.pth"])
def test_a_failed_download_leaves_nothing(cache, server, name):
    url, _ = server
    with pytest.raises(UsageError) as caught:
        find_weights(published(f"{url}/{name}"))
    message = str(caught.value)
    wanted = published("").sha256
    assert f"{url}/{name}" in message and wanted in message and str(cache / "net.pth") in message
    assert "\n" not in message
    assert list(cache.iterdir()) == []


def test_another_file_than_published_is_not_kept(cache, server):
    url, _ = server
    with pytest.raises(UsageError, match="SHA-256"):
        find_weights(published(f"{url}/good.pth", b"other"))
    assert list(cache.iterdir()) == []


def test_nobody_answers(cache):
    with pytest.raises(UsageError, match="cannot download net.pth"):
        find_weights(published("http://127.0.0.1:9/net.pth"))


def test_a_path_is_verified_unless_told_not_to(cache, tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    assert find_weights(published("http://x"), path).verified
    other = published("http://x", b"other")
    with pytest.raises(UsageError, match="it is not net.pth"):
        find_weights(other, path)
    found = find_weights(other, path, verify=False)
    assert not found.verified and found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(UsageError, match="no file of weights"):
        find_weights(other, tmp_path / "none.pth")


def test_a_damaged_file_in_the_cache_is_found_out(cache):
    cache.mkdir()
    (cache / "net.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(UsageError, match="it is not net.pth"):
        find_weights(published("http://x"))


def test_reads_safetensors(tmp_path):
    arrays = {"a.b": np.arange(6, dtype=np.float32).reshape(2, 3), "c": np.ones(3, np.float16)}
    save_file(arrays, tmp_path / "a.safetensors")
    read = load_arrays(tmp_path / "a.safetensors")
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
    (tmp_path / "a.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(UsageError, match="safetensors"):
        load_arrays(tmp_path / "a.safetensors")
