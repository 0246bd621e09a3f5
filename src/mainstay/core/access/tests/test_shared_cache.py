"""What was used or counted in one process is used and counted in every other."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import caches
from django.db import connection, transaction

from mainstay.core.access.models import SharedValue
from mainstay.core.access.shared_cache import SharedCache, _place_of_database

pytestmark = pytest.mark.django_db(transaction=True)
ADD_ELSEWHERE = """
import sys, types
import django.conf
django.conf.settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": sys.argv[1],
    "USER": sys.argv[2], "PASSWORD": sys.argv[3], "HOST": sys.argv[4], "PORT": sys.argv[5]}})
from mainstay.core.access.shared_cache import SharedCache
print(SharedCache("", {}).add(sys.argv[6], "y", timeout=30))
"""


@pytest.fixture
def caches_of_two_processes() -> Iterator[tuple[SharedCache, SharedCache]]:
    one, other = SharedCache("", {}), SharedCache("", {})
    one.clear()
    yield one, other
    one.clear()


def test_a_one_time_code_used_at_one_listener_is_used_up_at_the_other(caches_of_two_processes) -> None:
    used = TOTP(type("Authenticator", (), {"user_id": 7})())
    first = used._mark_code_used("123456")
    place = _place_of_database()
    arguments = [str(place.get(name, "")) for name in ("dbname", "user", "password", "host", "port")]
    argv = [sys.executable, "-c", ADD_ELSEWHERE, *arguments, used._get_used_cache_key("123456")]
    elsewhere = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    assert isinstance(caches["default"], SharedCache)
    assert (first, elsewhere, used._mark_code_used("654321")) == (True, "False", True)


def test_of_two_that_use_a_code_at_once_one_succeeds(caches_of_two_processes) -> None:
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda cache=cache: found.append(cache.add("code", "y", timeout=30)))
        for cache in caches_of_two_processes * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [False] * 7 + [True]


def test_what_was_counted_stays_counted_when_the_request_fails(caches_of_two_processes) -> None:
    one, other = caches_of_two_processes
    with transaction.atomic():
        one.set("tries", [1.5, 2.5], 300)
        transaction.set_rollback(True)

    assert other.get("tries") == [1.5, 2.5]


def test_it_can_count_while_the_request_may_write_nothing(caches_of_two_processes) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        caches_of_two_processes[0].set("tries", [1], 300)

    assert caches_of_two_processes[1].get("tries") == [1]


def test_what_has_expired_is_gone_and_may_be_added_again(caches_of_two_processes) -> None:
    one, other = caches_of_two_processes
    one.set("code", "y", 30)
    SharedValue.objects.update(expires_at="2020-01-01T00:00:00Z")

    assert (other.get("code", "none"), other.touch("code"), other.delete("code")) == ("none", False, False)
    assert (other.add("code", "z", 30), one.add("code", "x", 30), one.get("code")) == (True, False, "z")
    SharedValue.objects.update(expires_at="2020-01-01T00:00:00Z")
    one.set("another", 1, 30)
    assert SharedValue.objects.count() == 1


def test_neither_the_key_nor_code_can_be_read_or_run_from_the_table(caches_of_two_processes) -> None:
    caches_of_two_processes[0].set("user=7&code=123456", {"a": 1}, 30)

    row = SharedValue.objects.get()

    assert (len(row.key), "123456" in row.key, row.value) == (64, False, '{"a": 1}')
    with pytest.raises(TypeError):
        caches_of_two_processes[0].set("object", object())


def test_deleting_touching_and_forever(caches_of_two_processes) -> None:
    one, other = caches_of_two_processes
    one.set("a", 1, None)

    assert (other.touch("a", 60), other.get("a"), other.delete("a"), one.get("a"), one.delete("a")) == (True, 1, True, None, False)
