"""What faults did, in words: where what was observed of them says more than their kinds."""

from typing import Any

from fencepost.harness.words import count


def disk_loss_words(value: dict[str, Any], who: str, file: str, when: str) -> str:
    """What a disk lost (`disk-lost`), in words. when: at what time."""
    if "from_offset" not in value:
        if value.get("wiped"):
            return f"{who} lost {file} with its disk {when}"
        return f"{who} lost what it had not synced of {file} with its power {when}"
    records = int(value["end_offset"]) - int(value["from_offset"])
    what = f"of {file}, from offset {value['from_offset']} on,"
    if value.get("damaged"):
        return f"{who} cut {count(records, 'record')} {what} for a checksum did not fit {when}"
    if value.get("wiped"):
        return f"{who} lost {count(records, 'record')} {what} with its disk {when}"
    if "failure" in value:
        return f"{who} lost {count(records, 'unsynced record')} {what} for its disk was {value['failure']} {when}"
    if value.get("torn"):
        return f"{who} lost {count(records, 'record')} {what} which it was just writing, with its power {when}"
    return f"{who} lost {count(records, 'unsynced record')} {what} with its power {when}"
