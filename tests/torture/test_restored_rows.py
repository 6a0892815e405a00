"""
A backup from before a file was taken in: the ledger that is put back has never heard of its rows, but their letters are out.

They must not be written a second time, whether the file comes back with the backup or somebody drops it again.
"""

from __future__ import annotations

import pytest

from tests.torture import restores
from tests.torture.restores import Way
from tests.torture.stories import Story


@pytest.mark.parametrize("way", ["over", "fresh", "anew"])
def test_a_file_that_comes_back_with_the_backup_is_not_written_for_twice(story: Story, way: Way) -> None:
    incoming = story.here.loaded.spool / "incoming"
    later = (incoming / "1.csv").rename(story.here.root / "1.csv")
    assert story.run().code == 0
    later.rename(incoming / "1.csv")
    copy = story.back_up(is_whole=True)
    assert story.run().code == 0
    restores.put_back(story.here, copy, way)
    story.is_refused()
    assert story.run("resume", "ledger", "--why", "the disk died").code == 0
    story.finish()


@pytest.mark.parametrize("way", ["over", "fresh"])
def test_a_file_that_is_dropped_again_behind_a_restore_is_not_written_for_twice(story: Story, way: Way) -> None:
    incoming = story.here.loaded.spool / "incoming"
    later = (incoming / "1.csv").rename(story.here.root / "1.csv")
    assert story.run().code == 0
    copy = story.back_up(is_whole=False)
    later.rename(incoming / "1.csv")
    assert story.run().code == 0
    restores.put_back(story.here, copy, way)
    story.is_refused()
    assert story.run("resume", "ledger", "--why", "the disk died").code == 0
    done = story.here.loaded.spool / "done/1.csv"
    done.rename(incoming / "1.csv")
    story.finish()
