"""
The promise under crashes: nothing is lost, and nothing is sent twice in silence, whenever the program dies.

    oracle     lays an instance's folder beside the far side's books and says where the promise was broken
    judged     what it is told, and what it says; letters: what it reads
    books, kept, obeyed, recipients, telling: its chapters
    farside    those books: every final dot, what it was answered, and what was kept
    grounds    instances, and what was dropped into them
    zygote     a Python from which runs are forked, each the real command line; runs: its other end
    points     where a run can be told to die, by name
    trials     one instance, one server, one death or more, runs until nothing is due, the oracle
    matrix     all trials of a kind
    faults     kills and failing disks at the N-th system call
    restores   backups, taken and put back as operators do; stories: of one; restoring: in a siege
    orders     a person's orders beside a run; ordering: in a siege
    course     what all who play a part in a siege share
    siege      thousands of letters, deaths at random moments, a server that fails

`make test` runs a small part of each; `make torture`, which is `python -m tests.torture`, all of it.
"""
