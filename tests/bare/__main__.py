"""
Install mailer on a bare Debian by the documents' own lines, and let an organiser's account do its work there.

    make bare        (root; debootstrap, a network; a few minutes, most of them Debian's)

Behind that the units are stopped, frozen and killed in the middle of letters (`units`).

Read out of docs/operating.md: whatever stands there is typed here, so that it cannot lie.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.bare.root import REPOSITORY, Root, bare, wheelhouse
from tests.bare.units import operate

DOCUMENT = REPOSITORY / "docs/operating.md"
VAR = "/var/lib/mailer"
ROWS = 3
SIGNATURES = "name,email,country,consent\\n" + "".join(
    f"Person {number},person.{number}@example.org,IE,yes\\n" for number in range(ROWS)
)


def lines_of(section: str) -> list[str]:
    """The lines of shell that a section of the document tells people to type."""
    text = DOCUMENT.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for line in block.splitlines()]


def see(what: str, is_so: bool) -> None:
    """One line for what was looked at; the first that is not so ends it."""
    print(f"  {'yes' if is_so else 'NO '}  {what}", flush=True)
    if not is_so:
        raise SystemExit(1)


def install(root: Root) -> None:
    """Type what the document says, one line after the other."""
    print("Typed, as docs/operating.md has it:")
    total = 0.0
    for line in lines_of("Install it on a server"):
        seconds = root.type(line).seconds
        total += seconds
        print(f"  {seconds:6.1f} s  {line}", flush=True)
    print(f"  {total:6.1f} s  in all")


def exposure(root: Root) -> None:
    """How exposed systemd finds the units."""
    for unit in ("mailer.service", "mailer-run.service"):
        told = root.type(f"systemd-analyze security --offline=yes --no-pager /etc/systemd/system/{unit} | tail -1").out
        print(f"  {told.strip().lstrip('→ ')}")


def organise(root: Root) -> None:
    """An organiser's account drops a file and reads what became of it; others do not."""
    print("An organiser, a stranger, the service:")
    for line in lines_of("Folders for people")[:1]:
        root.type(line)
    root.type("useradd --create-home stranger")
    inbox, done = f"{VAR}/queue/incoming", f"{VAR}/queue/done"
    root.as_account("jane", f'umask 077; printf "{SIGNATURES}" > {inbox}/jane.csv; mkdir {inbox}/kazakhstan')
    root.as_account("jane", f'umask 077; printf "{SIGNATURES}Nobody,,IE,yes\\n" > {inbox}/kazakhstan/again.csv')
    began = time.monotonic()
    root.type(f"until [ -e {done}/jane.csv -a -e {done}/kazakhstan/again.csv ]; do sleep 0.2; done")
    see(f"the service has taken both files in, {time.monotonic() - began:.1f} s later", True)
    root.type("until runuser -u mailer -- mailer status --json | grep -vq queued; do sleep 0.2; done")
    told = json.loads(root.as_account("mailer", "mailer status --json").out)["campaigns"]["kazakhstan"]
    see(
        f"{told['signatures']} signatures, {told['duplicates']} known before",
        (told["signatures"], told["duplicates"]) == (ROWS, ROWS),
    )
    letters = int(root.as_account("mailer", f"ls {VAR}/sandbox/new | wc -l").out)
    see(f"{letters} letters are at the sink, as many as the ledger has accepted", 0 < letters == told["letters"]["accepted"])
    see("she reads what became of them", "Person 1" in root.as_account("jane", f"cat {done}/jane.csv").out)
    told = root.as_account("jane", f"cat {done}/kazakhstan/again.rejected.csv")
    see("she reads why a row was not taken", "Nobody" in told.out)
    for what, account, line in (
        ("a stranger does not", "stranger", f"cat {done}/jane.csv"),
        ("a stranger drops nothing", "stranger", f"touch {inbox}/x.csv"),
        ("she deletes no result", "jane", f"rm -f {done}/jane.csv"),
        ("she sees no claimed file", "jane", f"ls {VAR}/queue/claimed"),
        ("she sees no key", "jane", f"ls {VAR}/keys"),
        ("she reads no ledger", "jane", f"cat {VAR}/ledger.db"),
        ("she reads no configuration", "jane", "cat /etc/mailer/mailer.yaml"),
    ):
        see(what, root.as_account(account, line, must=False).code != 0)
    told = root.type("mailer status", must=False)
    see("root is told as whom to ask", told.code == 64 and "runuser -u mailer -- mailer status" in told.out)
    told = root.as_account("jane", "mailer status", must=False)
    see("she is told so too", told.code == 78 and "sudo -u mailer mailer" in told.out)
    found = root.type(f"find {VAR} -user root").out
    see("nothing in there is root's", found.strip() == "")


def ways(root: Root) -> None:
    """The programs by which files come, with the strictest umask on both sides and a date of long ago."""
    print("Ways in which a file comes, with a umask of 077:")
    root.type("apt-get install --no-install-recommends -y openssh-client openssh-sftp-server rsync >/dev/null")
    inbox, queue = f"{VAR}/queue/incoming", f"{VAR}/queue"
    sftp = 'sftp -q -b - -D "/usr/lib/openssh/sftp-server -u 0077"'
    put, rename = f'echo "put -p x.csv {inbox}/w.csv.filepart"', f'echo "rename {inbox}/w.csv.filepart {inbox}/winscp.csv"'
    comes = {
        "sftp": f'echo "put x.csv {inbox}/sftp.csv" | {sftp}',
        "winscp": f"({put}; {rename}) | {sftp}",
        "rsync": f"rsync --times x.csv {inbox}/rsync.csv",
        "rsync-inplace": f"rsync --times --inplace x.csv {inbox}/rsync-inplace.csv",
        "cp": f"cp x.csv {inbox}/cp.csv",
    }
    at_home = f'umask 077; cd; printf "{SIGNATURES}" > x.csv; touch -d 2011-09-20 x.csv'
    for line in comes.values():
        root.as_account("jane", f"{at_home}; chmod 644 x.csv; {line}")
    root.as_account("jane", f'{at_home}; chmod 600 x.csv; echo "put x.csv {inbox}/closed.csv" | {sftp}')
    root.type(f'until [ -z "$(find {inbox} -type f)" ] && [ -z "$(ls {queue}/claimed)" ]; do sleep 0.2; done')
    for name in comes:
        see(f"{name}: taken in", root.as_account("jane", f"cat {queue}/done/{name}.csv", must=False).code == 0)
    told = root.as_account("jane", f"cat {queue}/rejected/closed.csv.reason.txt", must=False).out
    see("sftp of a file that is closed at home: set aside, with the reason", "mailer may not read it" in told)
    health = root.as_account("mailer", "mailer health", must=False)
    see("health tells of it", health.code == 1 and "1 file set aside in the last day" in health.out)


def again(root: Root) -> None:
    """Given again, the command finds what is missing, and leaves what somebody has changed."""
    print("mailer init --system, given again:")
    see("it finds nothing to do", "Everything is in place" in root.type("mailer init --system").out)
    root.type("rm /etc/systemd/system/mailer-run.timer; echo '# mine' >> /etc/systemd/system/mailer.service")
    root.type("echo '# mine' >> /etc/mailer/mailer.yaml")
    told = root.type("mailer init --system --yes").out
    see("it makes what is missing", "write /etc/systemd/system/mailer-run.timer" in told and "1 step" in told)
    see("it names what was changed", "/etc/systemd/system/mailer.service: somebody has changed it" in told)
    mine = root.type("grep -l '# mine' /etc/systemd/system/mailer.service /etc/mailer/mailer.yaml").out
    see("it leaves that", len(mine.split()) == 2)


def main() -> None:
    """All of it, in a folder that stays for the next time (MAILER_BARE) or is thrown away."""
    if os.geteuid() != 0:
        sys.exit("make bare needs root: it makes a root of its own, and accounts in it")
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="mailer-bare-") as thrown_away:
        folder = Path(os.environ.get("MAILER_BARE", thrown_away))
        folder.mkdir(parents=True, exist_ok=True)
        with bare(folder, wheelhouse(folder / "wheels")) as root:
            install(root)
            exposure(root)
            organise(root)
            ways(root)
            again(root)
            operate(root, see)
    print("All of it is as the documents say.")


if __name__ == "__main__":
    main()
