"""Another process' memory, in which a text is written over. Linux lets the parent of a process do that."""

import re


def overwrite(process, before, after):
    """Writes over each place of writable memory that has these bytes, and gives how many there were."""
    assert len(before) == len(after)
    places = 0
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "r+b", buffering=0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                begin, end = int(found[1], 16), int(found[2], 16)
                places += _overwrite_in(memory, begin, end, before, after)
    return places


def _overwrite_in(memory, begin, end, before, after):
    try:
        memory.seek(begin)
        text = memory.read(end - begin)
    except (OSError, OverflowError):
        # Some of what is mapped cannot be read, as what the kernel shares.
        return 0
    places = [found.start() for found in re.finditer(re.escape(before), text or b"")]
    for place in places:
        memory.seek(begin + place)
        memory.write(after)
    return len(places)
