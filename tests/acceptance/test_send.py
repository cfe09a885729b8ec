"""`vestnik send` beside a running `vestnik up`."""

from pathlib import Path

from tests.acceptance.running import Running, run

CANARY = "canary-of-a-secret-announcement"


def test_a_post_goes_to_the_rehearsals_simulator_and_its_answer_comes_back(tmp_path: Path) -> None:
    channels = tmp_path / "channels.txt"
    channels.write_text("@alpha_news\n@beta_news\n-1001234567890\n")
    variables = {"VESTNIK_DATA_DIR": str(tmp_path / "data"), "VESTNIK_LOG_LEVEL": "debug"}
    with Running("up", "--json", "--port", "0", folder=tmp_path, variables=variables) as up:
        up.wait_for("ready")
        imported = run("channels", "import", str(channels), "--json", folder=tmp_path, variables=variables)
        assert imported.process.returncode == 0, imported.errors
        sent = run(
            "send", "--channel", "@alpha_news", "--channel", "beta_news", "--channel", "-1001234567890",
            "--text", CANARY, "--idempotency-key", "morning", "--json",
            folder=tmp_path, variables=variables,
        )  # fmt: skip
        assert sent.process.returncode == 0, sent.errors
        alpha, beta, unnamed = sent.lines
        assert {line["status"] for line in sent.lines} == {"DONE"}
        assert alpha["message_ids"]
        assert alpha["link"] is None  # a rehearsal: on Telegram there is nothing
        assert beta["channel"] == "@beta_news"
        assert (unnamed["channel"], unnamed["link"]) == ("-1001234567890", None)
        again = run(
            "send", "--channel", "beta_news", "--channel", "@alpha_news", "--channel", "-1001234567890",
            "--text", CANARY, "--idempotency-key", "morning", "--json",
            folder=tmp_path, variables=variables,
        )  # fmt: skip
        assert again.lines == sent.lines
        up.process.terminate()
        assert up.finish() == 0
    for log in (tmp_path / "data" / "logs").iterdir():
        assert CANARY not in log.read_text(encoding="utf-8")
