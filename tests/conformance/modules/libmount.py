"""What crun's test_mounts.py needs of util-linux's libmount, which Debian does not package for Python."""


class Entry:
    def __init__(self, line):
        head, tail = line.split(" - ", 1)
        fields, rest = head.split(), tail.split()
        self.target, self.vfs_options = fields[4], fields[5]
        self.fs_options = rest[2] if len(rest) > 2 else None


class Table:
    def __init__(self, path):
        with open(path) as file:
            self.entries = [Entry(line) for line in file if " - " in line]

    def find_target(self, target):
        return next((entry for entry in reversed(self.entries) if entry.target == target), None)
