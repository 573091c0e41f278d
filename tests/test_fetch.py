"""Weights of the hub, from a hub of our own on this machine: the real client, no network."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import timm
import torch
from safetensors.torch import save

from transfer_atlas.errors import InputError
from transfer_atlas.zoo.build import build_model
from transfer_atlas.zoo.weights import exclusion_of_weights, rename_keys

MODEL = "test_resnet.r160_in1k"
ROW = {"model": MODEL, "architecture": MODEL, "kwargs": {}, "weights": "hub"}
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return timm.create_model("test_resnet", num_classes=1000).eval()


@pytest.fixture(scope="module")
def hub(network):
    """Address of a server that holds one model at one revision, and the SHA-256 of its weights."""
    content = save(network.state_dict())
    digest = hashlib.sha256(content).hexdigest()
    file = {
        "rfilename": "model.safetensors",
        "size": len(content),
        "lfs": {"sha256": digest, "size": len(content), "pointerSize": 1},
    }
    info = json.dumps({"id": f"timm/{MODEL}", "sha": REVISION, "siblings": [file]}).encode()

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(b"")

        def do_GET(self):
            self.answer(info if "/api/" in self.path else content)

        def answer(self, body):
            known = self.path.startswith(f"/api/models/timm/{MODEL}") or self.path in (
                f"/timm/{MODEL}/resolve/{revision}/model.safetensors" for revision in ("main", REVISION)
            )
            self.send_response(200 if known else 404)
            length = len(body) if self.command == "GET" else len(content)
            self.send_header("Content-Length", str(length if known else 0))
            self.send_header("Content-Type", "application/json" if "/api/" in self.path else "application/octet-stream")
            self.send_header("X-Repo-Commit", REVISION)
            if not known:  # as the real hub says it
                self.send_header("X-Error-Code", "RevisionNotFound" if MODEL in self.path else "RepoNotFound")
            self.send_header("ETag", f'"{digest}"')
            self.end_headers()
            if known and self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", digest
    server.shutdown()


def run(code, address, folder):
    """Run Python against a hub; the client reads its address when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder)


def fetch(row, address, folder, on_error="fail"):
    path = folder / "weights.safetensors"
    call = f"fetch_weights({row!r}, 1000, {str(path)!r}, {on_error!r})"
    done = run(f"from transfer_atlas.zoo.fetch import fetch_weights; {call}", address, folder)
    return path, done


def test_fetched_weights_make_the_network_without_the_hub(hub, network, tmp_path):
    address, digest = hub
    path, done = fetch(ROW | {"revision": REVISION, "sha256": digest}, address, tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"SHA-256 {digest}" in done.stdout
    model = build_model(ROW, 1000, 160, path)
    images = torch.rand(2, 3, 160, 160)
    with torch.no_grad():
        assert torch.equal(model(images), network(images))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"sha256": "0" * 64}, f"model {MODEL}: "),
        ({"revision": "f" * 40}, f"model {MODEL}: weights of timm/{MODEL} cannot be fetched (404"),
        ({"architecture": "test_vit.r160_in1k"}, "weights of timm/test_vit.r160_in1k cannot be fetched"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(hub, change, line, tmp_path):
    path, done = fetch(ROW | change, hub[0], tmp_path)
    assert done.returncode == 1
    assert line in done.stderr.splitlines()[-1]
    assert not path.exists()


def test_a_hub_out_of_reach_ends_the_job_or_leaves_the_model_out(tmp_path):
    nowhere = "http://127.0.0.1:9"
    path, done = fetch(ROW, nowhere, tmp_path)
    assert "cannot be fetched" in done.stderr.splitlines()[-1]
    assert "run where there is a network, or name a local file" in done.stderr.splitlines()[-1]
    path, done = fetch(ROW, nowhere, tmp_path, "exclude")
    assert done.returncode == 0, done.stderr
    assert "cannot be fetched" in exclusion_of_weights(path)


def test_a_sheet_is_pinned_to_what_the_hub_holds(hub, tmp_path):
    address, digest = hub
    (tmp_path / "zoo.tsv").write_text(f"model\tarchitecture\tweights\n{MODEL}\t{MODEL}\thub\nown.a\ttest_vit\tfile\n")
    code = "import sys; sys.argv[1:] = ['--pin', 'zoo.tsv']; from transfer_atlas.zoo.sheet import main; main()"
    done = run(code, address, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [
        "model\tarchitecture\tweights\trevision\tsha256",
        f"{MODEL}\t{MODEL}\thub\t{REVISION}\t{digest}",
    ]


def test_names_in_a_weights_file_are_mapped(network):
    state = network.state_dict()
    prefixed = {f"module.{name}": value for name, value in state.items()} | {"teacher.bias": torch.zeros(1)}
    renamed = rename_keys(prefixed, network, [["^teacher", None], [r"^module\.", ""]])
    assert renamed.keys() == state.keys()
    ordered = rename_keys({str(number): value for number, value in enumerate(state.values())}, network, "order")
    assert all(torch.equal(ordered[name], value) for name, value in state.items())
    with pytest.raises(InputError, match="its file has 1 tensors, but the network"):
        rename_keys({"a": torch.zeros(1)}, network, "order")
    with pytest.raises(InputError, match=r"its file has .* \(\) where the network has"):
        rename_keys(dict.fromkeys(state, torch.tensor(0)), network, "order")
