"""
A week of cron runs keeps every limit and every window, two campaigns side by side; counted at the far side.
"""

from pathlib import Path

import pytest

from tests.installed import Place
from tests.pace_week import week


async def test_in_a_week_no_limit_and_no_window_is_ever_exceeded_and_campaigns_keep_apart(tmp_path: Path) -> None:
    rows, scene, server = await week(tmp_path, 150)
    assert {row.key for row in rows} >= {"relay", "@court.example", "head@court.example", "copies@campaign.example"}
    for row in rows:
        assert all(most <= limit for most, limit in zip(row.most, row.limits, strict=True)), row
        assert row.outside == 0, row
    assert len(server.dotted) == next(row.letters for row in rows if row.key == "relay") > 300
    # Each campaign writes as itself, to its own targets and its own copies.
    senders = {(dot.sender, dot.recipients[-1]) for dot in server.dotted}
    assert senders == {
        ("letters@campaign.example", "copies@campaign.example"),
        ("other@campaign.example", "archive@other.example"),
    }
    keys = scene.made.root / "var/keys"
    assert (keys / "c.key").read_bytes() != (keys / "d.key").read_bytes()


@pytest.mark.parametrize(
    ("pace", "gone"), [("pace: {per_day: 3}", 3), ("domain_pace: {per_day: 2}", 2), ("pace: none, domain_pace: none", 12)]
)
def test_runs_of_the_program_share_the_pace_that_the_configuration_names(pace: str, gone: int, tmp_path: Path) -> None:
    place = Place(tmp_path / "instance", "pace: none\napproval: none\n", f"relay: {{mode: sandbox, {pace}}}\nrun_for: 1")
    place.drop(12)
    for _ in range(2):
        assert place.mailer("run").code == 0
    assert place.sandboxed() == gone and place.letters("accepted") == gone
