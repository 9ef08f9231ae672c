"""What a known bug is, and the list of all of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownBug:
    """A bug that Kafka had, or a guard whose removal Kafka's design says would be one.

    bug_id: without spaces; the JIRA's or KIP's where there is one.
    mode: "kraft", "zk", "migration" or "any".
    what_went_wrong: one or two sentences.
    source: the commit, KIP or file that shows it.
    rules: names of the rules of which one must catch it; a campaign that hunts it goes on until one does.
    patches: subclasses of the components that it breaks (see `fencepost.model.composition`).
    also: names of other rules that it is known to break on its way.
    consumer_config: (property, value) of the setting that has the flaw, where it was one; then nothing is patched.
    """

    bug_id: str
    mode: str
    what_went_wrong: str
    source: str
    rules: tuple[str, ...]
    patches: tuple[type, ...]
    also: tuple[str, ...] = ()
    consumer_config: tuple[tuple[str, str], ...] = ()
