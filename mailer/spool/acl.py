"""
Who may read and move what organisers drop, whatever their umask: a default ACL on the folder that they drop into (acl(5)).

    incoming/    new files, and the folders that people make there, are mailer's and the group's to read, write and move

Where a folder has a default ACL the system asks no umask (mkdir(2)): a file from a session with umask 077 is still ours to
read, and we may take files out of a folder that somebody made in there. What a program closes on purpose (a mode of 0600 that
it asks for, as OpenSSH's sftp does for a file that is closed at home) stays closed: `Claimed.open` says so.

An ACL that the administrator gave is left alone, and a file system that knows none is no problem: then modes decide.
"""

from __future__ import annotations

import errno
import os
import struct

_NAME = "system.posix_acl_default"
_VERSION = struct.pack("<I", 2)  # linux/posix_acl_xattr.h
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_ALL, _NOTHING = 7, 0
_NOBODY = 0xFFFFFFFF  # the id of an entry that has none
_UNKNOWN_HERE = frozenset({errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


def shared_with(user: int) -> bytes:
    """The ACL as the kernel keeps it: all to the owner, to a user and to the folder's group, nothing to anybody else."""
    entries = [(_USER_OBJ, _ALL, _NOBODY), (_USER, _ALL, user), (_GROUP_OBJ, _ALL, _NOBODY), (_MASK, _ALL, _NOBODY)]
    entries.append((_OTHER, _NOTHING, _NOBODY))
    return _VERSION + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def share(handle: int, user: int) -> bool:
    """
    Give a folder this default ACL where it has none; whether it has one now. Only its owner may do that.

    Raises:
        OSError: the disk fails.
    """
    try:
        if os.getxattr(handle, _NAME):
            return True
    except OSError as problem:
        if problem.errno in _UNKNOWN_HERE:
            return False
        if problem.errno != errno.ENODATA:
            raise
    try:
        os.setxattr(handle, _NAME, shared_with(user))
    except OSError as problem:
        if problem.errno in _UNKNOWN_HERE or isinstance(problem, PermissionError):
            return False
        raise
    return True
