"""
Servers that a test hands letters to, all of them on 127.0.0.1 and none of them a mock.

    scripted    our own SMTP server that does what its script says: replies, drops, resets, hangs, drips, lies
    spawned     the same server as a process of its own, for tests that kill things
    threaded    the same server in a thread, for tests that start the program as a process
    sink        Debian's smtp-sink: a second opinion, and the far end of everything
    postfix     a real Postfix in a temporary folder; the sink is its only transport, and it proves that first
    available   which of them this machine has; where one is missing, tests are left out with a reason
    fixtures    `sink` and `postfix` for pytest; `client`, one that says anything at all

`rules` holds the words of a script, `record` what a server saw; `conversation`, `stage`, `wire` are one connection.
Nothing here knows anything of the program under test: these are the far side of the wire.
"""
