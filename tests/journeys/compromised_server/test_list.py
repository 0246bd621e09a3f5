"""The list of attacks itself: it may grow, and none may fall out of it unseen."""

import itertools

from tests.journeys.compromised_server import test_clocks, test_commands, test_documents, test_evidence, test_ledger, test_wire

LISTS = {
    "commands": [attack.name for attack in (*test_commands.ATTACKS, *test_commands.UNREADABLE)] + [*test_commands.FLOWS],
    "documents": [forgery.name for forgery in test_documents.FORGERIES] + [*test_documents.FLOWS],
    "ledger": [attack.name for attack in (*test_ledger.ATTACKS, *test_ledger.HISTORIES)] + [*test_ledger.LIES, *test_ledger.FLOWS],
    "wire": [*test_wire.LIES, *test_wire.FLOWS],
    "time": [attack.__name__ for attack in test_clocks.ATTACKS],
    "evidence": [*test_evidence.ATTACKS, *test_evidence.FLOWS],
}


def test_every_attack_of_the_list_is_there() -> None:
    assert {group: len(names) for group, names in LISTS.items()} == {
        "commands": 88,
        "documents": 24,
        "ledger": 16,
        "wire": 13,
        "time": 11,
        "evidence": 9,
    }


def test_no_two_attacks_share_a_name() -> None:
    names = list(itertools.chain.from_iterable(LISTS.values()))

    assert len(names) == len(set(names))
    assert len(names) > 40
