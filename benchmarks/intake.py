"""
How fast signature files are taken in, and in how much memory: `python -m benchmarks.intake [ROWS ...]`.

For each size a CSV file of so many rows is laid into a fresh instance of the bundled campaign (four targets) and taken in by
the installed command, as cron would do it. Before it the same file is read by a loop over `csv.reader` alone, in a process of
its own: the ratio of the two times is what is worth comparing, for seconds depend on the machine and on what else it does.
Memory is the peak that the kernel counted for the process (getrusage(2), ru_maxrss).

What this does not measure: sending, and files of other kinds.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAILER = Path(sys.executable).with_name("mailer")
SIZES = (10_000, 100_000, 1_000_000)
HEADER = ["Timestamp", "Full name", "Email address", "Country", "City", "Your message (optional)", "Consent"]
COUNTRIES = ("Ireland", "Germany", "Россия", "FR", "Kazakhstan")
ALONE = "import csv, sys\nfor row in csv.reader(open(sys.argv[1], encoding='utf-8', newline='')): pass\n"


def main(sizes: list[int]) -> None:
    """Print one line a size."""
    print(f"{'rows':>9}  {'csv.reader':>10}  {'taken in':>9}  {'rows/s':>7}  {'ratio':>6}  {'peak':>7}  {'ledger':>8}")
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder:
            print(_measured(Path(folder), rows), flush=True)


def _measured(folder: Path, rows: int) -> str:
    subprocess.run([MAILER, "init", folder], check=True, capture_output=True)
    with (folder / "config/mailer.yaml").open("a", encoding="utf-8") as main_file:
        main_file.write("whole_after: 0\n")  # nobody is writing the file: waiting would count as work
    file = folder / "var/queue/incoming/signatures.csv"
    _write(file, rows)
    alone, _ = _timed([sys.executable, "-c", ALONE, str(file)], folder)
    seconds, peak = _timed([str(MAILER), "run", "--intake-only"], folder)
    taken = subprocess.run([MAILER, "status", "--json"], cwd=folder, check=True, capture_output=True, text=True).stdout
    if f'"signatures": {rows}' not in taken:
        raise SystemExit(f"not all of the {rows} rows became signatures:\n{taken}")
    ledger = (folder / "var/ledger.db").stat().st_size
    return (
        f"{rows:>9,}  {alone:>8.2f} s  {seconds:>7.1f} s  {rows / seconds:>7,.0f}  {seconds / alone:>6.1f}"
        f"  {peak / 1024:>4.0f} MB  {ledger / 2**20:>5.0f} MB"
    )


def _write(file: Path, rows: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(HEADER)
        for number in range(rows):
            when, message = f"2011-09-{15 + number % 14} 10:00:00", f'Please, "drop" the charges, letter {number}.'
            person = [f"Signatory Numéro {number}", f"person.{number}@example.org", COUNTRIES[number % len(COUNTRIES)]]
            lines.writerow([when, *person, f"Town {number % 500}", message, "yes"])


def _timed(command: list[str], folder: Path) -> tuple[float, int]:
    """Run a command; its seconds, and the most memory that it had (KB)."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - began, usage.ru_maxrss


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(SIZES))
