"""What a process has loaded by the time it is ready is left out of its garbage collections."""

import json
from pathlib import Path

from tests.acceptance.running import Running

AT_THE_END = """
import atexit, gc, json, sys
from pathlib import Path

def tell():
    if len(sys.argv) > 1:
        Path(__file__).with_name(f"{sys.argv[1]}.json").write_text(json.dumps(gc.get_freeze_count()))

atexit.register(tell)
"""


def test_collections_of_long_lived_processes_pass_over_what_was_loaded(tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(AT_THE_END)
    variables = {"VESTNIK_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(spy)}
    with Running("up", "--json", "--port", "0", folder=tmp_path, variables=variables) as up:
        up.wait_for("ready")
        up.process.terminate()
        assert up.finish() == 0
    counts = {path.stem: json.loads(path.read_text()) for path in spy.glob("*.json")}
    assert {"api", "simulator", "worker"} <= counts.keys()
    assert min(counts[name] for name in ("api", "simulator", "worker")) > 50_000, counts
