"""Lines of one chart have names that tell them apart."""

from uuid import UUID

from mainstay.domains.telemetry.queries.series import SeriesRef, legend

DEVICE = UUID(int=1)


def ref(number: int, metric: str, **labels: str) -> SeriesRef:
    return SeriesRef(number, metric, labels, DEVICE)


def test_two_directions_of_two_interfaces_have_four_names() -> None:
    both = ("network_rx_bytes_per_s", "network_tx_bytes_per_s")
    refs = [ref(index, metric, name=name) for index, (metric, name) in enumerate([(m, n) for m in both for n in ("eth0", "eth1")])]

    assert list(legend(refs).values()) == ["eth0 received", "eth1 received", "eth0 sent", "eth1 sent"]


def test_several_disks_of_one_metric_go_by_their_own_names() -> None:
    refs = [ref(1, "filesystem_free_pct", mount="/"), ref(2, "filesystem_free_pct", mount="/var")]

    assert list(legend(refs).values()) == ["/", "/var"]


def test_a_series_without_labels_goes_by_what_it_measures() -> None:
    assert list(legend([ref(1, "load1"), ref(2, "load5"), ref(3, "cpu_used_pct")]).values()) == ["1 minute", "5 minutes", "cpu used pct"]
